# SPDX-License-Identifier: Apache-2.0
"""Plans in int8_pow2 (docs/numerics-pow2.md)."""
