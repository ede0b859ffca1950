# SPDX-License-Identifier: Apache-2.0
"""The nRF52840: one module per peripheral; an access to anything else is an error the user sees."""
