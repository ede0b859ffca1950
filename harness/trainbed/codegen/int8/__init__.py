# SPDX-License-Identifier: Apache-2.0
"""model.c in the 8-bit precisions."""
