# SPDX-License-Identifier: Apache-2.0
"""The twin of the int8_pow2 kernels (docs/numerics-pow2.md), whole numbers throughout."""
