# SPDX-License-Identifier: Apache-2.0
"""A bad line never changes what is trained: the outcome is the clean run's, or the link is given up by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback_guest import Loopback, build
from session import CONFIG, Outcome, train, train_with_faults

from trainbed.backends.base import Budget
from trainbed.errors import GuestError, LinkLost, ProtocolError
from trainbed.link import frames
from trainbed.link.faults import KINDS, FaultRates, Faults

N_SEEDS = 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp() / "loopback"


@pytest.fixture(params=["lossy", "keeping"])
def guest(request: pytest.FixtureRequest, folder: Path) -> Iterator[Loopback]:
    """On a line that loses what comes while the receiver is not armed, and on one that keeps it."""
    guest = Loopback(build(CONFIG, folder, sanitize=True), keep=request.param == "keeping")
    yield guest
    guest.close()


@pytest.fixture
def clean(guest: Loopback) -> Outcome:
    return train(guest, guest, resident=True)


def test_streamed_and_resident_training_are_the_same(guest: Loopback, clean: Outcome) -> None:
    streamed = train(guest, guest, resident=False)
    assert streamed.records == clean.records
    assert streamed.weights.tobytes() == clean.weights.tobytes()
    assert [r for r in clean.records if r[0] == "begin"] == [("begin", n) for n in (4.0, 4, 4, 4, 4, 1)] * 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
def test_every_kind_of_fault_leaves_the_outcome_alone(guest: Loopback, clean: Outcome, kind: str, rate: float) -> None:
    struck = repeated = 0
    for seed in range(N_SEEDS):
        line = Faults(guest, seed=seed, rates=FaultRates.only(kind, rate))
        outcome = train(guest, line, resident=seed % 2 == 0)
        assert outcome.records == clean.records
        assert outcome.weights.tobytes() == clean.weights.tobytes()
        struck += line.injected[kind]
        repeated += outcome.counters.repeats
    assert struck > 10
    assert repeated > 0 or kind in ("repeat", "zero", "duplicate", "insert")


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.6])
def test_all_kinds_of_faults_together_leave_the_outcome_alone_or_lose_the_link(
    guest: Loopback, clean: Outcome, rate: float
) -> None:
    lost = 0
    for seed in range(N_SEEDS):
        try:
            outcome = train_with_faults(guest, seed=seed, rates=FaultRates.every_kind(rate), resident=seed % 2 == 0)
        except LinkLost:
            lost += 1
            continue
        assert outcome.records == clean.records
        assert outcome.weights.tobytes() == clean.weights.tobytes()
    assert lost <= N_SEEDS // 10


def test_a_dead_line_is_given_up_within_the_retry_budget(guest: Loopback) -> None:
    line = Faults(guest, seed=1, rates=FaultRates.only("lose", 1.0))
    with pytest.raises(LinkLost, match="5 attempts"):
        train(guest, line, resident=True, retries=5)
    assert line.injected["lose"] <= 2 * 5 + 1  # each attempt and its delimiter, and READY on its way back
    assert guest.records() == []


def test_the_same_seed_gives_the_same_faults(guest: Loopback) -> None:
    rates = FaultRates.every_kind(0.3)
    lines = [Faults(guest, seed=7, rates=rates) for _ in range(3)]
    lines[2] = Faults(guest, seed=8, rates=rates)
    counters = [train(guest, line, resident=False).counters for line in lines]
    assert counters[0] == counters[1]
    assert lines[0].injected == lines[1].injected
    assert counters[2] != counters[0]


def test_a_burst_of_64_kib_is_refused_and_forgotten(guest: Loopback, clean: Outcome) -> None:
    guest.start()
    answer = guest.exchange(bytes(range(1, 256)) * 257, budget=Budget())
    assert {frames.decode(piece).code for piece in frames.split(answer)[0]} == {0x80, 0x81}
    outcome = train(guest, guest, resident=True)
    assert outcome == clean


MUTANTS = {
    "executes a repeated request again": (
        "link/link.c",
        "link_state.session && header.seq == link_state.last_seq",
        "false",
    ),
    "does not check the CRC": ("link/frame.c", "trn_crc32(0, frame, n_body) != crc", "n_body == crc"),
    "forgets the answer it sent": (
        "link/link.c",
        "link_state.n_answer);\n        return false",
        "0);\n        return false",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_link_layer_does_not_get_past_these_faults(folder: Path, name: str) -> None:
    """The canary: firmware with a fault built in must not come through unnoticed."""
    guest = Loopback(build(CONFIG, folder, edits=(MUTANTS[name],)), keep=True)
    clean = train(guest, guest, resident=False)
    noticed = 0
    for seed in range(N_SEEDS):
        try:
            outcome = train_with_faults(guest, seed=seed, rates=FaultRates.every_kind(0.2), resident=False)
            noticed += outcome.records != clean.records
        except GuestError:
            noticed += 1
    guest.close()
    assert noticed > 0


def test_a_sample_is_not_trained_twice_even_when_the_link_layer_repeats_it(folder: Path) -> None:
    """Second line of defence: the position in the epoch does not match, the request is refused."""
    guest = Loopback(build(CONFIG, folder, edits=(MUTANTS["executes a repeated request again"],)))
    clean = train(guest, guest, resident=False)
    refused = 0
    for seed in range(N_SEEDS):
        try:
            outcome = train_with_faults(guest, seed=seed, rates=FaultRates.only("lose", 0.1), resident=False)
            assert outcome.records == clean.records
        except ProtocolError:
            refused += 1
    guest.close()
    assert refused > 0
