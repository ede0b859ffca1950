# SPDX-License-Identifier: Apache-2.0
"""AVR boards on simavr (ATmega328P, ATmega2560) and on yasimavr (ATmega4809), each through a small native helper."""
