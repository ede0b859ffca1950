# SPDX-License-Identifier: Apache-2.0
"""model.c in float32."""
