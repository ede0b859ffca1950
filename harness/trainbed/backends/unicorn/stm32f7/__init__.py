# SPDX-License-Identifier: Apache-2.0
"""The STM32F746: clocks, voltage, pins and USART1; an access to anything else is an error the user sees."""
