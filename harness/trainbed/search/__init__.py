# SPDX-License-Identifier: Apache-2.0
"""Searches: networks that trade accuracy against memory and cycles, found by trial in the emulator."""
