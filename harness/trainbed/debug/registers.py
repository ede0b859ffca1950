# SPDX-License-Identifier: Apache-2.0
"""The registers of a core as gdb is shown them, and of a Cortex-M the description that tells gdb their names.

Source: GDB manual, G.5.2 "ARM Features": org.gnu.gdb.arm.m-profile, .vfp, .m-system. gdb itself derives s0 to s31 from
d0 to d15.
"""

from __future__ import annotations

from dataclasses import dataclass

_CORE = "org.gnu.gdb.arm.m-profile"
_FLOAT = "org.gnu.gdb.arm.vfp"
_SYSTEM = "org.gnu.gdb.arm.m-system"
_MASKS = "org.trainbed.masks"


@dataclass(frozen=True)
class Register:
    """One register; its place in the list is its number in the protocol."""

    name: str
    bits: int
    feature: str
    kind: str = "int"


def registers(*, has_fpu: bool) -> tuple[Register, ...]:
    """All registers, in the order of their numbers."""
    core = [Register(f"r{i}", 32, _CORE) for i in range(13)]
    core += [Register("sp", 32, _CORE, "data_ptr"), Register("lr", 32, _CORE), Register("pc", 32, _CORE, "code_ptr")]
    core += [Register("xpsr", 32, _CORE)]
    floats = [Register(f"d{i}", 64, _FLOAT, "ieee_double") for i in range(16)] + [Register("fpscr", 32, _FLOAT)]
    system = [Register(name, 32, _SYSTEM, "data_ptr") for name in ("msp", "psp")]
    masks = [Register(name, 32, _MASKS) for name in ("primask", "basepri", "faultmask", "control")]
    return (*core, *(floats if has_fpu else ()), *system, *masks)


def avr_registers() -> tuple[Register, ...]:
    """All registers of an AVR in the order of their numbers, which gdb knows without a description."""
    general = [Register(f"r{i}", 8, "") for i in range(32)]
    return (*general, Register("sreg", 8, ""), Register("sp", 16, ""), Register("pc", 32, ""))


def target_xml(*, has_fpu: bool) -> str:
    """The target description gdb asks for with qXfer:features:read:target.xml."""
    described = registers(has_fpu=has_fpu)
    features = "".join(
        f'<feature name="{feature}">'
        + "".join(
            f'<reg name="{register.name}" bitsize="{register.bits}" type="{register.kind}"/>'
            for register in described
            if register.feature == feature
        )
        + "</feature>"
        for feature in dict.fromkeys(register.feature for register in described)
    )
    head = '<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd">'
    return f'{head}<target version="1.0"><architecture>arm</architecture>{features}</target>'
