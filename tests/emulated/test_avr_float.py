# SPDX-License-Identifier: Apache-2.0
"""Float on AVR, which is software: it rounds as IEEE 754 says, so training can be held to the twin's bits.

One case is left out of that: a quotient that is denormal may be one unit in the last place, 1.4e-45, off.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from avr_boards import BUDGET, bare, needs_avr, opened
from numpy.typing import NDArray

from trainbed.backends.worker_guest import WorkerGuest
from trainbed.reference.elementary import exp_neg, log, sigmoid, tanh

pytestmark = needs_avr

Words = NDArray[np.uint32]
MAIN = Path(__file__).with_name("firmware") / "avr_float.c"
PER_FRAME = 11
SPECIAL = np.array(
    [0, 1, 2, 0x400000, 0x7FFFFF, 0x800000, 0x807FFF, 0x33800000, 0x33800001, 0x34000000, 0x3F800000, 0x4B800000,
     0x7F7FFFFF, 0x7F800000, 0x7FC00000], dtype=np.uint32,
)  # fmt: skip
"""Zero, denormals, the smallest normal, halves of a unit in the last place, the largest, infinity, not a number."""


def pairs(n: int) -> Words:
    """Special values of either sign with each other; any bits; close exponents; results around the denormals."""
    rng = np.random.default_rng(7)
    special = np.concatenate([SPECIAL, SPECIAL | 0x80000000])

    def floats(low: int, high: int) -> Words:
        bits = rng.integers(0, 2, n) << 31 | rng.integers(low, high, n) << 23 | rng.integers(0, 1 << 23, n)
        return bits.astype(np.uint32)

    return np.concatenate(
        [
            np.stack([np.repeat(special, len(special)), np.tile(special, len(special))], axis=1),
            rng.integers(0, 1 << 32, (n, 2), dtype=np.uint64).astype(np.uint32),
            np.stack([floats(100, 150), floats(100, 150)], axis=1),
            np.stack([floats(0, 70), floats(50, 130)], axis=1),
        ]
    )


def letters(values: Words) -> bytes:
    return bytes(65 + (int(value) >> shift & 15) for value in values for shift in range(28, -4, -4))


def applied(guest: WorkerGuest, operation: str, operands: Words) -> Words:
    """What the part makes of each pair."""
    found: list[int] = []
    for at in range(0, len(operands), PER_FRAME):
        part = operands[at : at + PER_FRAME]
        answer = guest.exchange(operation.encode() + letters(part.ravel()) + b"\0", budget=BUDGET)
        assert len(answer) == 8 * len(part)
        digits = np.frombuffer(answer, dtype=np.uint8).astype(np.uint32).reshape(-1, 8) - 65
        found += (digits << np.arange(28, -4, -4, dtype=np.uint32)).sum(axis=1, dtype=np.uint32).tolist()
    return np.array(found, dtype=np.uint32)


def assert_same(found: Words, expected: NDArray[np.float32], operands: Words) -> None:
    """The same bits; of what is no number, that it is none."""
    different = (found != expected.view(np.uint32)) & ~(np.isnan(expected) & np.isnan(found.view(np.float32)))
    at = np.flatnonzero(different)[:3]
    assert not different.any(), [
        f"{operands[i, 0]:08x} {operands[i, 1]:08x}: {found[i]:08x}, not {expected.view(np.uint32)[i]:08x}" for i in at
    ]


@pytest.fixture(scope="module")
def guest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerGuest]:
    board = str(request.param)
    with opened(board, bare(board, tmp_path_factory.mktemp(board), MAIN.read_text()).image) as started:
        assert started.exchange(b"", budget=BUDGET) == b"R"
        yield started


DENORMAL = np.float32(2.0**-126)


def check_arithmetic(guest: WorkerGuest, operands: Words) -> int:
    """Returns how many denormal quotients were one unit off."""
    a, b = operands[:, 0].view(np.float32), operands[:, 1].view(np.float32)
    with np.errstate(all="ignore"):
        for operation, expected in (("+", a + b), ("-", a - b), ("*", a * b)):
            assert_same(applied(guest, operation, operands), expected, operands)
        found, expected = applied(guest, "/", operands), a / b
        denormal = (np.abs(expected) < DENORMAL) & (expected != 0)
        assert_same(found[~denormal], expected[~denormal], operands[~denormal])
        off = np.abs(found[denormal].astype(np.int64) - expected.view(np.uint32)[denormal])
        assert off.max(initial=0) <= 1
        relations = (a < b) | (a <= b) << 1 | (a == b) << 2 | (a > b) << 3 | (a >= b) << 4 | (a != b) << 5
    assert (applied(guest, "<", operands) == relations).all()
    return int(off.sum())


@pytest.mark.parametrize("guest", ["arduino_uno", "atmega4809_xplained"], indirect=True)
def test_the_four_operations_and_comparisons_round_like_ieee_754(guest: WorkerGuest) -> None:
    check_arithmetic(guest, pairs(60))


@pytest.mark.slow
@pytest.mark.parametrize("guest", ["arduino_uno", "arduino_mega", "atmega4809_xplained"], indirect=True)
def test_many_operations_round_like_ieee_754(guest: WorkerGuest) -> None:
    assert check_arithmetic(guest, pairs(1500)) == 1  # among 74 denormal quotients


@pytest.mark.parametrize("guest", ["arduino_mega"], indirect=True)
def test_conversions_and_functions_are_those_of_the_twin(guest: WorkerGuest) -> None:
    operands = pairs(60)
    words, x = operands[:, 0], operands[:, 0].view(np.float32)
    assert_same(applied(guest, "i", operands), words.view(np.int32).astype(np.float32), operands)
    small = np.abs(x) < 2.0**31
    assert (applied(guest, "f", operands[small]).view(np.int32) == x[small].astype(np.int32)).all()
    near = np.where(np.abs(x) < 100, x, np.float32(0.3)).astype(np.float32)
    places = np.stack([near.view(np.uint32), words], axis=1)
    positive = np.maximum(np.abs(near), np.float32(1e-30))
    with np.errstate(all="ignore"):
        assert_same(applied(guest, "s", operands), np.sqrt(x), operands)
        assert_same(applied(guest, "t", places), tanh(near), places)
        assert_same(applied(guest, "g", places), sigmoid(near), places)
        for operation, function, arguments in (("e", exp_neg, -np.abs(near)), ("l", log, positive)):
            places = np.stack([arguments.view(np.uint32), words], axis=1)
            assert_same(applied(guest, operation, places), function(arguments), places)
