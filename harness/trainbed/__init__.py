# SPDX-License-Identifier: Apache-2.0
"""trainbed trains neural networks on microcontrollers without the microcontroller."""

__version__ = "0.1.0"
