# SPDX-License-Identifier: Apache-2.0
"""Planning of the 8-bit precisions: uint8, mixed, int8_qas. Arithmetic: docs/numerics-integer.md."""
