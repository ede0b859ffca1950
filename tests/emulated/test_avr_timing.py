# SPDX-License-Identifier: Apache-2.0
"""Cycles of the AVR backends against the Instruction Set Manual, and what becomes of a count that differs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from avr_boards import BOARDS, BUDGET, bare, config_for, each_board, needs_avr, opened

from trainbed.backends.avr.guest import AvrGuest
from trainbed.backends.avr.self_test import measure
from trainbed.boards import load_board

pytestmark = needs_avr

# Cycles of one instruction on AVRe+ with 16 and with 22 bits of program counter, and on AVRxt: the manual's table once
# more, by hand, so that a slip in trainbed.avr.instructions shows.
MANUAL = {
    "add": (1, 1, 1), "movw": (1, 1, 1), "mul": (2, 2, 2), "muls": (2, 2, 2), "mulsu": (2, 2, 2), "adiw": (2, 2, 2),
    "sbiw": (2, 2, 2), "com": (1, 1, 1), "lsr": (1, 1, 1), "swap": (1, 1, 1), "cpi": (1, 1, 1), "ldi": (1, 1, 1),
    "in": (1, 1, 1), "out": (1, 1, 1), "sbi": (2, 2, 1), "cbi": (2, 2, 1), "bst": (1, 1, 1), "bld": (1, 1, 1),
    "clt": (1, 1, 1), "wdr": (1, 1, 1), "nop": (1, 1, 1), "ld X": (2, 2, 2), "ld X+": (2, 2, 2), "ld -X": (2, 2, 2),
    "ld Y+": (2, 2, 2), "ld -Y": (2, 2, 2), "ldd Y": (2, 2, 2), "ld Z+": (2, 2, 2), "ld -Z": (2, 2, 2),
    "ldd Z": (2, 2, 2), "st X": (2, 2, 1), "st X+": (2, 2, 1), "st -X": (2, 2, 1), "st Y+": (2, 2, 1),
    "st -Y": (2, 2, 1), "std Y": (2, 2, 1), "st Z+": (2, 2, 1), "st -Z": (2, 2, 1), "std Z": (2, 2, 1),
    "push": (2, 2, 1), "pop": (2, 2, 2), "rjmp": (2, 2, 2), "brne taken": (2, 2, 2), "breq not taken": (1, 1, 1),
    "sbrc": (1, 1, 1), "sbrs, one word skipped": (2, 2, 2), "sbrs, two words skipped": (3, 3, 3), "lds": (2, 2, 3),
    "sts": (2, 2, 2), "lpm": (3, 3, 3), "call": (4, 5, 3), "rcall": (3, 4, 2), "icall": (3, 4, 2), "ret": (4, 5, 4),
    "lds from flash": (0, 0, 3), "ldd Z from flash": (0, 0, 2),
}  # fmt: skip
COLUMNS = {"arduino_uno": 0, "arduino_mega": 1, "atmega4809_xplained": 2}
LOOP = """\
#include <trn/mark.h>
#include <trn/port.h>
static uint8_t rx[16], tx[5];
static const uint8_t table[256] = {[0 ... 255] = 3};
volatile uint8_t sink, shift; /* the latter keeps the compiler from reading the table for us */
int main(void);
int main(void)
{
    uint32_t n = 1;
    trn_port_init();
    for (;;) {
        trn_port_receive_start(rx, sizeof rx);
        trn_port_send(tx, n);
        trn_port_receive_wait();
        trn_mark_forward();
        const uint32_t before = trn_port_cycles();
        for (uint16_t turn = 0; turn < 500u * rx[0]; turn++) {
            const uint8_t from = shift;
            for (uint16_t i = 0; i < 256; i++) {
                sink = (uint8_t)(sink + table[(uint8_t)(i + from)]);
            }
        }
        const uint32_t cycles = trn_port_cycles() - before;
        trn_mark_other();
        for (uint8_t i = 0; i < 4; i++) {
            tx[i] = (uint8_t)(cycles >> (8 * i));
        }
        n = 4;
    }
}
"""


@each_board
def test_every_instruction_takes_the_manual_s_cycles(board: str, tmp_path: Path) -> None:
    config = config_for(load_board(board), BOARDS[board], bare(board, tmp_path, LOOP).image)
    measured = measure(config)
    expected = {name: cycles[COLUMNS[board]] for name, cycles in MANUAL.items() if cycles[COLUMNS[board]]}
    assert {one.case.name: one.cycles for one in measured} == expected
    assert {one.case.name for one in measured if one.waits} == {name for name in expected if "from flash" in name}
    assert all(one.waits in (0, 1) for one in measured)


def test_the_class_and_the_model_say_what_was_verified(tmp_path: Path) -> None:
    classes = {}
    for board in BOARDS:
        with opened(board, bare(board, tmp_path / board, LOOP).image) as guest:
            cost = guest.cost()
            classes[board] = cost.cost_class
            assert cost.model == ("avrxt/1 + atmega4809-flash/1" if board == "atmega4809_xplained" else "avre+/1")
    assert classes == {"arduino_uno": "exact", "arduino_mega": "exact", "atmega4809_xplained": "modelled"}


def test_an_emulator_that_counts_otherwise_loses_its_class_and_is_told_why(tmp_path: Path) -> None:
    """As if simavr's ATmega328P had been asked for the calls of a part with a longer program counter."""
    config = config_for(load_board("arduino_uno"), "simavr", bare("arduino_uno", tmp_path, LOOP).image)
    guest = AvrGuest(replace(config, return_bytes=3))
    guest.start()
    cost = guest.cost()
    assert cost.cost_class == "instructions"
    assert "call counted 4 cycles, the manual says 5" in cost.model
    assert "4 instructions differ" in cost.model


@each_board
def test_the_on_chip_timer_and_the_emulator_agree_within_a_tick(board: str, tmp_path: Path) -> None:
    with opened(board, bare(board, tmp_path, LOOP).image) as guest:
        guest.exchange(b"", budget=BUDGET)
        for turns in (1, 2, 3):
            before = guest.cost().phases["forward"]
            ticks = int.from_bytes(guest.exchange(bytes([turns, 0]), budget=BUDGET), "little")
            after = guest.cost().phases["forward"]
            cycles = after.cycles + after.memory_cycles - before.cycles - before.memory_cycles
            assert ticks % 1024 == 0
            assert abs(ticks - cycles) <= 1024
            assert cycles > 1_000_000 * turns


def test_loads_from_mapped_flash_wait_apart_from_the_core_s_cycles(tmp_path: Path) -> None:
    board = "atmega4809_xplained"
    with opened(board, bare(board, tmp_path, LOOP).image) as guest:
        guest.exchange(b"\x01\0", budget=BUDGET)
        counts = guest.cost().phases["forward"]
    assert counts.memory_cycles == 500 * 256
    assert counts.cycles > 5 * counts.memory_cycles


@each_board
def test_counts_do_not_depend_on_how_often_the_guest_is_stopped(board: str, tmp_path: Path) -> None:
    config = config_for(load_board(board), BOARDS[board], bare(board, tmp_path, LOOP).image)
    found = []
    for slice_cycles in (1 << 40, 9_973):
        guest = AvrGuest(config)
        guest.start()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("trainbed.backends.avr.guest._SLICE_CYCLES", slice_cycles)
            answer = guest.exchange(b"\x01\0", BUDGET)
        cost = guest.cost()
        found.append((answer, cost.cycles, cost.instructions, cost.phases, cost.functions))
    assert found[0] == found[1]
