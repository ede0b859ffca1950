# SPDX-License-Identifier: Apache-2.0
"""NumPy twin of the 8-bit kernels, vectorised over the batch and exact (docs/numerics-integer.md)."""
