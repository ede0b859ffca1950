# SPDX-License-Identifier: Apache-2.0
"""Rules of the Cortex-M4 model, one block of machine code each (the text beside it is what was assembled)."""

from __future__ import annotations

import pytest

from trainbed.backends.timing import model_for
from trainbed.backends.timing.cortex_m4 import CortexM4
from trainbed.backends.timing.registry import UnknownModel
from trainbed.backends.timing.thumb import Kind, decode_block
from trainbed.errors import InputError

RULES = [
    ("a load takes two", "ldr r0,[r1]", "0868", 2),
    ("loads pipeline", "ldr r0,[r1]; ldr r2,[r3]; ldr r4,[r5]", "08681a682c68", 4),
    ("a load whose address was just loaded waits", "ldr r0,[r1]; ldr r2,[r0]", "08680268", 4),
    ("a store behind a load is free", "ldr r0,[r1]; str r0,[r2]", "08681060", 2),
    ("a store with immediate offset takes one", "str r0,[r1,#4]", "4860", 1),
    ("a store with register offset takes two", "str r0,[r1,r2]", "8850", 2),
    ("a load behind a store exposes the store", "str r0,[r1]; ldr r2,[r3]", "08601a68", 4),
    ("a literal behind a store takes five in all", "str r0,[r1]; ldr r2,[pc,#4]", "0860014a", 5),
    ("a literal does not pipeline with a load", "ldr r0,[r1]; ldr r2,[pc,#4]", "0868014a", 4),
    ("literals pipeline with each other", "ldr r0,[pc,#4]; ldr r2,[pc,#8]", "0148024a", 3),
    ("an address just computed costs one", "adds r1,#4; ldr r0,[r1]", "04310868", 4),
    ("an index just computed costs one", "adds r2,#4; ldr r0,[r1,r2]", "04328858", 4),
    ("an address computed earlier costs nothing", "adds r1,#4; movs r3,#0; ldr r0,[r1]", "043100230868", 4),
    ("a writeback load behind one of its own base waits", "ldr r0,[r1],#4; ldr r2,[r1],#4", "51f8040b51f8042b", 4),
    ("writeback loads of two bases pipeline", "ldr r0,[r1],#4; ldr r2,[r3],#4", "51f8040b53f8042b", 3),
    ("a nop behind a load is free", "ldr r0,[r1]; nop", "086800bf", 2),
    ("it folds into a 16-bit instruction", "cmp r0,#0; it eq; moveq r1,#1", "002808bf0121", 2),
    ("it does not fold into a 32-bit instruction", "cmp.w r0,#256; it eq; moveq r1,#1", "b0f5807f08bf0121", 3),
    ("push takes one plus registers", "push {r4,r5,r6,lr}", "70b5", 5),
    ("ldrd takes three", "ldrd r0,r1,[r2]", "d2e90001", 3),
    ("vldm takes one plus words", "vldmia r0!,{s0-s3}", "b0ec040a", 5),
    ("a double load takes three", "vldr d0,[r0]", "90ed000b", 3),
    ("long multiplies take one", "umlal r0,r1,r2,r3; smull r4,r5,r6,r7", "e2fb030186fb0745", 2),
    ("a float store takes two", "vstr s0,[r1]", "81ed000a", 2),
    ("a float store hides its data cycle from a load behind it", "vstr s0,[r1]; vldr s1,[r2]", "81ed000ad2ed000a", 4),
    ("a float result used at once costs one", "vmul.f32 s0,s1,s2; vadd.f32 s3,s0,s0", "20ee810a70ee001a", 3),
    (
        "a float result used later costs nothing",
        "vmul.f32 s0,s1,s2; vadd.f32 s3,s1,s2; vadd.f32 s4,s0,s0",
        "20ee810a70ee811a30ee002a",
        3,
    ),
    ("vfma takes three", "vfma.f32 s0,s1,s2", "a0ee810a", 3),
    ("a division runs beside integer code", "vdiv.f32 s0,s1,s2; adds r0,#1; adds r1,#1", "80ee810a01300131", 3),
    (
        "the next float instruction waits for a division",
        "vdiv.f32 s0,s1,s2; adds r0,#1; vadd.f32 s3,s4,s5",
        "80ee810a013072ee221a",
        15,
    ),
    ("vmov of two words takes two", "vmov r0,r1,s2,s3", "51ec110a", 2),
    ("a branch not taken takes one", "beq .+8", "02d0", 1),
]


@pytest.mark.parametrize(("source", "code", "cycles"), [case[1:] for case in RULES], ids=[case[0] for case in RULES])
def test_a_block_costs_what_its_rule_says(source: str, code: str, cycles: int) -> None:
    block = decode_block(bytes.fromhex(code), 0x1000)
    assert len(block) == source.count(";") + 1
    assert CortexM4().block(block).cycles == cycles


@pytest.mark.parametrize(
    ("dividend", "divisor", "cycles"),
    [(0, 7, 2), (7, 0, 2), (3, 100, 3), (100, 100, 5), (255, 16, 5), (256, 16, 6), (0xFFFF_FFFF, 1, 12)],
)
def test_an_integer_division_follows_the_measured_closed_form(dividend: int, divisor: int, cycles: int) -> None:
    assert CortexM4().division_cycles(dividend.bit_length(), divisor.bit_length()) == cycles


@pytest.mark.parametrize(
    ("code", "taken"),
    [("7047", 1), ("fed0", 1), ("10bd", 1), ("dfe800f0", 3), ("0130", 0)],
    ids=["bx lr", "beq .", "pop {r4, pc}", "tbb [pc, r0]", "adds r0, #1"],
)
def test_only_a_block_that_can_branch_pays_for_a_taken_branch(code: str, taken: int) -> None:
    assert CortexM4().block(decode_block(bytes.fromhex(code), 0x1000)).taken == taken


@pytest.mark.parametrize(("address", "extra"), [(0x1000, 0), (0x1002, 1)])
def test_a_branch_to_an_unaligned_wide_instruction_takes_one_more(address: int, extra: int) -> None:
    add_wide = bytes.fromhex("00f10100")
    assert CortexM4().block(decode_block(add_wide, address)).target == extra


def test_a_branch_to_an_unaligned_narrow_instruction_takes_no_more() -> None:
    assert CortexM4().block(decode_block(bytes.fromhex("0130"), 0x1002)).target == 0


@pytest.mark.parametrize(("address", "cycles"), [(0x1000, 3), (0x1002, 4)])
def test_a_wide_load_that_straddles_two_words_does_not_pipeline(address: int, cycles: int) -> None:
    two_wide_loads = decode_block(bytes.fromhex("d1f80000d3f80020"), address)  # ldr.w r0, [r1]; ldr.w r2, [r3]
    assert CortexM4().block(two_wide_loads).cycles == cycles


def test_a_block_cut_in_two_by_a_page_costs_what_the_whole_costs() -> None:
    code = bytes.fromhex("013008681a682c680c600e6800f10100")
    model = model_for("cortex-m4", "nrf52840")
    whole = model.cost(code, 0x13F8).core.cycles
    for cut in (2, 4, 6, 8, 10, 12):
        head, tail = code[:cut], code[cut:]
        parts = model.cost(head, 0x13F8), model.cost(tail, 0x13F8 + cut, before=head)
        assert sum(part.core.cycles for part in parts) == whole


def test_a_return_that_is_skipped_takes_one_cycle() -> None:
    block = decode_block(bytes.fromhex("002818bf10bd"), 0x1000)  # cmp r0, #0; it ne; popne {r4, pc}
    cost = CortexM4().block(block)
    assert cost.cycles == 2
    assert cost.taken == 1 + 2  # the branch, and the two words it loads


def test_a_division_that_outlives_its_block_is_passed_on() -> None:
    cost = CortexM4().block(decode_block(bytes.fromhex("80ee810a0130"), 0x1000))  # vdiv.f32 s0, s1, s2; adds r0, #1
    assert (cost.cycles, cost.divider_busy, cost.first_float) == (2, 12, 0)


def test_the_decoder_knows_the_registers_of_a_float_multiply_accumulate() -> None:
    (vfma,) = decode_block(bytes.fromhex("a0ee810a"), 0x1000)
    assert vfma.kind is Kind.FP_MAC
    assert vfma.reads == {"s0", "s1", "s2"}
    assert vfma.writes == {"s0"}


def test_double_registers_are_pairs_of_single_ones() -> None:
    (vldr,) = decode_block(bytes.fromhex("90ed000b"), 0x1000)  # vldr d0, [r0]
    assert vldr.writes == {"s0", "s1"}
    assert vldr.words == 2


def test_data_in_the_way_does_not_stop_the_decoder() -> None:
    block = decode_block(bytes.fromhex("0130ffffffff0130"), 0x1000)
    assert sum(instruction.size for instruction in block) == 8


@pytest.mark.parametrize(("core", "memory"), [("cortex-m4000", None), ("cortex-m4", "floppy")])
def test_an_unknown_model_is_an_input_error_that_names_the_known_ones(core: str, memory: str | None) -> None:
    with pytest.raises(UnknownModel, match=r"cortex-m4|nrf52840") as caught:
        model_for(core, memory)
    assert isinstance(caught.value, InputError)
    assert isinstance(caught.value, ValueError)
