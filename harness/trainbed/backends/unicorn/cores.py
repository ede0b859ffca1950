# SPDX-License-Identifier: Apache-2.0
"""What tells one Cortex-M from another: the engine's model, and what its system registers offer."""

from __future__ import annotations

from dataclasses import dataclass

from unicorn import arm_const as arm


@dataclass(frozen=True)
class CoreFacts:
    """One core. ``timing``: name of its cycle model. ``v6m``: Armv6-M, without fault registers, BASEPRI and DWT."""

    engine: int
    timing: str
    cpuid: int
    has_fpu: bool = False
    v6m: bool = False
    has_caches: bool = False


CORES = {
    "cortex-m0plus": CoreFacts(arm.UC_CPU_ARM_CORTEX_M0, "cortex-m0plus", 0x410C_C601, v6m=True),
    "cortex-m4": CoreFacts(arm.UC_CPU_ARM_CORTEX_M4, "cortex-m4", 0x410F_C241),
    "cortex-m4f": CoreFacts(arm.UC_CPU_ARM_CORTEX_M4, "cortex-m4", 0x410F_C241, has_fpu=True),
    "cortex-m7": CoreFacts(arm.UC_CPU_ARM_CORTEX_M7, "cortex-m7", 0x411F_C271, has_fpu=True, has_caches=True),
}
"""The engine has no Cortex-M0+; its Cortex-M0 runs the same instructions, and system registers are ours."""
