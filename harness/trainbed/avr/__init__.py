# SPDX-License-Identifier: Apache-2.0
"""What is known of AVR code: its instructions and what they cost, the parts of an ELF, the stack a firmware needs."""
