# SPDX-License-Identifier: Apache-2.0
"""Sweeps: one scenario over many values, side by side, kept in a journal."""
