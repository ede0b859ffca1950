# SPDX-License-Identifier: Apache-2.0
"""model.c of plans in int8_pow2."""
