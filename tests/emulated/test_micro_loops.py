# SPDX-License-Identifier: Apache-2.0
"""Loops of our own that reproduce cycle counts published for real Cortex-M4 parts.

Each figure names its source; the bound is what the measurement itself can tell (timer resolution, unstated compiler).
"""

from __future__ import annotations

import pytest
from bare_guest import BareGuest
from unicorn import arm_const

TURNS = 1000


def cycles_per_turn(body: str, *, set_up: str = "") -> float:
    """Cycles of one turn of a counted loop: the difference of two runs, so that set-up and exit drop out."""

    def total(turns: int) -> int:
        guest = BareGuest(f"movw r7, #{turns}\n{set_up}\n.balign 4\n1:\n{body}\nwfi\n")
        guest.uc.mem_write(0x2000_0000, bytes(0x1000))
        counter = guest.count()
        guest.run()
        return counter.cycles

    return (total(2 * TURNS) - total(TURNS)) / TURNS


def cycles(source: str) -> int:
    """Cycles of a straight program, without the WFI that ends it."""
    guest = BareGuest(source + "\nwfi\n")
    counter = guest.count()
    guest.run()
    return counter.cycles - 1


LOOP = "subs r7, #1\nbne 1b"


def test_a_multiply_loop_takes_four_cycles_a_turn() -> None:
    """madflight TestFLOPS run1: 4.00 on STM32F405, 4.01 on STM32G431."""
    assert cycles_per_turn(f"vmul.f32 s0, s0, s1\n{LOOP}") == pytest.approx(4.00, rel=0.005)


def test_ten_dependent_multiplies_stall_nine_times() -> None:
    """madflight TestFLOPS run2: 22.31 on STM32F405, 22.20 on STM32G431, 22.09 on STM32F411 at 96 MHz."""
    body = "vmul.f32 s0, s0, s1\n" * 10 + LOOP
    assert cycles_per_turn(body) == pytest.approx(22.2, rel=0.01)


FLOAT_SET_UP = "movs r3, #0\nmovs r1, #0\nmvns r1, r1\nmovw r0, #0\nmovt r0, #0x2000\nvmov s0, r3\nvmov s16, r3"


def test_a_running_mean_takes_twenty_five_cycles_an_element() -> None:
    """tana/pico_float_bench calc_mean: 25.08 on ATSAMD51, 25.13 on RA4M1 (instructions as GCC -Os orders them)."""
    body = """
    cmp r3, r1
    bne 2f
    nop
 2: vmov s14, r3
    vldr s15, [r0]
    vcvt.f32.s32 s14, s14
    adds r3, #1
    vfma.f32 s15, s14, s0
    vmov s14, r3
    vcvt.f32.s32 s14, s14
    vdiv.f32 s0, s15, s14
    subs r7, #1
    bne 1b
    """
    # Our loop counter takes a cycle more than the branch of the measured loop; the division hides both.
    assert cycles_per_turn(body, set_up=FLOAT_SET_UP) == pytest.approx(25.1, rel=0.05)


def test_a_running_variance_takes_twenty_eight_cycles_an_element() -> None:
    """tana/pico_float_bench calc_variance: 28.08 on ATSAMD51, 28.13 on RA4M1."""
    body = """
    cmp r3, r1
    bne 2f
    nop
 2: vldr s15, [r0]
    vmov s13, r3
    vsub.f32 s15, s15, s16
    vcvt.f32.s32 s13, s13
    vmul.f32 s15, s15, s15
    adds r3, #1
    vfma.f32 s15, s13, s0
    vmov s13, r3
    vcvt.f32.s32 s13, s13
    vdiv.f32 s0, s15, s13
    subs r7, #1
    bne 1b
    """
    assert cycles_per_turn(body, set_up=FLOAT_SET_UP) == pytest.approx(28.1, rel=0.05)


def test_counting_up_to_ten_takes_forty_cycles() -> None:
    """asm-compendium, flag setting, sample A: 31 instructions, 40 cycles."""
    assert cycles("mov r0, #0\n1: add r0, #1\ncmp r0, #10\nbne 1b") == 40


def test_counting_down_from_ten_takes_thirty_cycles() -> None:
    """asm-compendium, flag setting, sample B: 21 instructions, 30 cycles."""
    assert cycles("mov r0, #10\n1: subs r0, #1\nbne 1b") == 30


def test_a_call_and_its_return_take_four_cycles() -> None:
    """asm-compendium, function calls."""
    source = "b start\nleaf: bx lr\n.balign 4\nstart:\n{}"
    assert cycles(source.format("bl leaf\n.balign 4\n")) - cycles(source.format("")) == 4


def test_a_taken_branch_takes_two_cycles_and_three_to_an_unaligned_wide_target() -> None:
    """asm-compendium, branch timing."""
    straight = cycles(".balign 4\nadd.w r0, r0, #1")
    aligned = cycles("b 1f\n.balign 4\n1: add.w r0, r0, #1")
    unaligned = cycles("b 1f\n.balign 4\nnop\n1: add.w r0, r0, #1")
    assert aligned - straight == 2
    assert unaligned - straight == 3


def test_a_store_and_a_literal_load_take_five_cycles() -> None:
    """asm-compendium, load literal."""
    set_up = "movw r0, #0\nmovt r0, #0x2000\nmovs r1, #0\n"
    pair = cycles(set_up + "str r1, [r0]\nldr r2, =0x12345678\nwfi\n.ltorg")
    assert pair - cycles(set_up) == 5


def test_conditional_execution_costs_the_same_either_way() -> None:
    """asm-compendium, conditional blocks: movs; it mi; rsbmi takes two cycles for 3 and for -3."""
    for value in ("#3", "#0xFFFFFFFD"):
        source = f"mov r1, {value}\n"
        assert cycles(source + "movs r0, r1\nit mi\nrsbmi r0, r0, #0") - cycles(source) == 2


@pytest.mark.parametrize(
    ("dividend", "divisor", "expected"),
    [(0, 5, 2), (5, 0, 2), (7, 1000, 3), (1000, 1000, 5), (100_000, 10, 5 + 13 // 4), (0xFFFF_FFFF, 1, 12)],
)
def test_an_unsigned_division_takes_what_its_operands_ask_for(dividend: int, divisor: int, expected: int) -> None:
    """asm-compendium, division: closed form from many measured pairs."""
    assert divided("udiv", dividend, divisor) == expected


@pytest.mark.parametrize(("dividend", "divisor", "expected"), [(-16, 3, 5), (16, 3, 5), (-1000, -3, 7), (-3, 1000, 3)])
def test_a_signed_division_looks_at_magnitudes(dividend: int, divisor: int, expected: int) -> None:
    """asm-compendium, division: 16 and -16 are treated the same."""
    assert divided("sdiv", dividend, divisor) == expected


def divided(mnemonic: str, dividend: int, divisor: int) -> int:
    guest = BareGuest(f"{mnemonic} r2, r0, r1\nwfi\n")
    guest.uc.reg_write(arm_const.UC_ARM_REG_R0, dividend & 0xFFFF_FFFF)
    guest.uc.reg_write(arm_const.UC_ARM_REG_R1, divisor & 0xFFFF_FFFF)
    counter = guest.count()
    guest.run()
    return counter.cycles - 1
