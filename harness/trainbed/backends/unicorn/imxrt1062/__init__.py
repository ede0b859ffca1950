# SPDX-License-Identifier: Apache-2.0
"""The i.MX RT1062: boot ROM, FlexRAM, clocks, pins, LPUART6; an access to anything else is an error the user sees."""
