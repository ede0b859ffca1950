# SPDX-License-Identifier: Apache-2.0
"""The core's registers by the names gdb gives them, and the engine's numbers for them. The program counter is the
machine's own: the engine's is right only while it runs.
"""

from __future__ import annotations

from unicorn import arm_const as arm

GENERAL = {
    **{f"r{i}": arm.UC_ARM_REG_R0 + i for i in range(13)}, "sp": arm.UC_ARM_REG_SP, "lr": arm.UC_ARM_REG_LR,
    "xpsr": arm.UC_ARM_REG_XPSR,
}  # fmt: skip
FLOATING = {**{f"d{i}": arm.UC_ARM_REG_D0 + i for i in range(16)}, "fpscr": arm.UC_ARM_REG_FPSCR}
SYSTEM = {
    "msp": arm.UC_ARM_REG_MSP, "psp": arm.UC_ARM_REG_PSP, "primask": arm.UC_ARM_REG_PRIMASK,
    "basepri": arm.UC_ARM_REG_BASEPRI, "faultmask": arm.UC_ARM_REG_FAULTMASK, "control": arm.UC_ARM_REG_CONTROL,
}  # fmt: skip
ALL = {**GENERAL, **FLOATING, **SYSTEM}
