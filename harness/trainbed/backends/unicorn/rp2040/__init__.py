# SPDX-License-Identifier: Apache-2.0
"""The RP2040: boot ROM, clocks, pins and UART0; an access to anything else is an error the user sees."""
