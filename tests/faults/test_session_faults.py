# SPDX-License-Identifier: Apache-2.0
"""The real firmware on its emulators behind a bad line: the weights are those of the clean run, to the bit."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest

from trainbed.backends.base import Budget, Guest
from trainbed.backends.registry import available, open_guest
from trainbed.boards import load_board
from trainbed.codegen.config import LinkSizes, SampleFormat, write_config
from trainbed.codegen.messages import messages_header
from trainbed.codegen.model import write_model
from trainbed.errors import GuestReset, LinkLost
from trainbed.link import frames
from trainbed.link.client import Client
from trainbed.link.codes import NakReason
from trainbed.link.faults import KINDS, FaultRates, Faults
from trainbed.link.messages import Nak, decode
from trainbed.link.samples import SampleSet
from trainbed.network.build import NetworkBuilder
from trainbed.network.layers import Activation, Network
from trainbed.network.training import Adam, Loss
from trainbed.planner.plan import make_plan
from trainbed.reference.twin import Twin
from trainbed.toolchain.firmware import Firmware, build
from trainbed.trainer import Course, Trainer, seeded_order

BOARDS = {
    "native": "native",
    "unicorn": "arduino_nano_33_ble",
    "qemu": "mps2_an386",
    "renode": "arduino_nano_33_ble",
}
N_TRAIN, N_INPUTS, N_OUTPUTS, BATCH, EPOCHS = 19, 6, 3, 4, 2
OPTIMIZER = Adam(lr=0.02)
RECIPE = {"loss": Loss.CATEGORICAL_CROSSENTROPY, "optimizer": OPTIMIZER}


@cache
def network() -> Network:
    builder = NetworkBuilder([1, 1, N_INPUTS])
    builder.flatten()
    builder.dense(5, activation=Activation.RELU)
    builder.dense(N_OUTPUTS, activation=Activation.SOFTMAX)
    return builder.build()


@cache
def firmware(backend: str) -> Firmware:
    plan = make_plan(network(), batch_size=BATCH, **RECIPE)
    samples = SampleFormat("int16", N_INPUTS, N_OUTPUTS, labels=True, scale=1 / 64)
    generated = {
        "model.c": write_model(plan),
        "trn_config.h": write_config(plan, samples, LinkSizes(rx_bytes=96, tx_bytes=128, resident_samples=24)),
        "trn_messages.h": messages_header(),
    }
    return build(load_board(BOARDS[backend]), generated=generated)


@cache
def data() -> SampleSet:
    rng = np.random.default_rng(1)
    x = rng.integers(-100, 100, (N_TRAIN, N_INPUTS)).astype(np.int16)
    return SampleSet(x, labels=rng.integers(0, N_OUTPUTS, N_TRAIN).astype(np.uint16))


@cache
def twin_weights() -> bytes:
    """What the NumPy twin ends with: no firmware and no link in it."""
    twin = Twin(network(), seed=1, **RECIPE)
    x = (data().x.astype(np.float32) * np.float32(1 / 64)).reshape(-1, 1, 1, N_INPUTS)
    t = np.eye(N_OUTPUTS, dtype=np.float32)[data().labels]
    for epoch in range(EPOCHS):
        order = seeded_order(1, epoch, N_TRAIN)
        for start in range(0, N_TRAIN, BATCH):
            twin.train_batch(x[order[start : start + BATCH]], t[order[start : start + BATCH]])
    return b"".join(array.tobytes() for pair in twin.weights for array in pair)


@pytest.fixture(params=BOARDS, scope="module")
def guest(request: pytest.FixtureRequest) -> Iterator[Guest]:
    backend = request.param
    usable, _, install = available(backend)
    if not usable:
        pytest.skip(f"{backend} is missing; {install}")
    guest = open_guest(load_board(BOARDS[backend]), backend, firmware(backend).image)
    yield guest
    guest.close()


def train(line: Guest, *, resident: bool) -> tuple[bytes, Client]:
    line.start()
    client = Client(line)
    course = Course(epochs=EPOCHS, batch_size=BATCH, optimizer=OPTIMIZER, resident=resident)
    trainer = Trainer(client, data(), None, course)
    list(trainer.run())
    return trainer.read_weights().tobytes(), client


@pytest.mark.parametrize("resident", [False, True])
def test_a_clean_line_trains_to_the_twins_weights_and_repeats_nothing(guest: Guest, resident: bool) -> None:
    weights, client = train(guest, resident=resident)
    assert weights == twin_weights()
    assert client.counters.repeats == client.counters.silences == client.counters.damaged == 0
    assert client.status().n_overflows == 0


def run_with_faults(guest: Guest, kind: str, rate: float, seeds: range) -> None:
    struck = 0
    for seed in seeds:
        line = Faults(guest, seed=seed, rates=FaultRates.only(kind, rate))
        weights, _ = train(line, resident=seed % 2 == 0)
        assert weights == twin_weights()
        struck += line.injected[kind]
    assert struck > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_fifth_of_all_transfers_damaged_leaves_the_weights_alone(guest: Guest, kind: str) -> None:
    run_with_faults(guest, kind, 0.2, range(3))


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_seeds_of_every_fault_leave_the_weights_alone(guest: Guest, kind: str, rate: float) -> None:
    run_with_faults(guest, kind, rate, range(100))


def test_a_dead_line_is_given_up_by_name(guest: Guest) -> None:
    line = Faults(guest, seed=1, rates=FaultRates.only("lose", 1.0))
    with pytest.raises(LinkLost):
        train(line, resident=True)


def test_a_burst_of_64_kib_overruns_nothing_but_itself(guest: Guest) -> None:
    """No delimiter in it: the receiver takes its grant, the rest is lost, and the guest says so."""
    guest.start()
    answer = guest.exchange(b"\x55" * 65536, budget=Budget())
    reasons = [decode(Nak, f.payload).reason for f in map(frames.decode, frames.split(answer)[0]) if f.code == Nak.code]
    assert reasons
    assert set(reasons) == {NakReason.OVERFLOW}
    weights, client = train(guest, resident=True)
    assert weights == twin_weights()
    assert client.counters.repeats == 0


def test_a_guest_that_restarts_is_told_from_a_bad_line(guest: Guest) -> None:
    _, client = train(guest, resident=True)
    guest.start()
    with pytest.raises(GuestReset):
        client.status()
