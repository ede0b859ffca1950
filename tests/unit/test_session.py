# SPDX-License-Identifier: Apache-2.0
"""A run step by step, on the host board: each step, what it takes for granted, what it says when it cannot be taken."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from small_scenario import TWO_SENSORS
from trainbed.assets import asset_path
from trainbed.backends.base import Budget
from trainbed.errors import GuestFault, GuestHang, InputError, LinkLost
from trainbed.result import Verdict
from trainbed.run import run_scenario
from trainbed.scenario import load_scenario
from trainbed.session import Session
from trainbed.trainer import EpochDone, Evaluated, Started

Open = Callable[..., Session]


@pytest.fixture
def open_session(tmp_path: Path) -> Iterator[Open]:
    """Sessions of the small scenario, changed as with --set; closed at the end."""
    opened: list[Session] = []
    path = tmp_path / "two.yaml"
    path.write_text(TWO_SENSORS, encoding="utf-8")

    def open_(*sets: str, **options: object) -> Session:
        opened.append(Session(load_scenario(path, sets), **options))  # type: ignore[arg-type]
        return opened[-1]

    yield open_
    for session in opened:
        session.close()


def test_steps_come_to_the_same_result_as_one_go(open_session: Open) -> None:
    session = open_session()
    session.build()
    session.boot()
    session.inject()
    session.train(1)
    session.evaluate()
    session.weights()
    session.train(2)
    session.train()
    assert session.result().deterministic_json() == run_scenario(session.scenario).deterministic_json()


def test_a_step_takes_the_ones_before_it(open_session: Open) -> None:
    assert open_session().result().verdict is Verdict.PASSED


def test_events_are_told_once_and_in_order(open_session: Open) -> None:
    told: list[object] = []
    session = open_session(on_event=told.append)
    session.train(2)
    session.train()
    session.result()
    kinds = [type(event).__name__ for event in told]
    assert kinds == ["Built", "Started", "EpochDone", "EpochDone", "EpochDone", "EpochDone", "Evaluated"]
    assert isinstance(told[1], Started) and told[1].n_train == 21
    assert isinstance(told[2], EpochDone) and isinstance(told[-1], Evaluated)


def test_half_a_training_matches_half_a_reference(open_session: Open) -> None:
    session = open_session()
    session.train(2)
    assert session.check("matches_reference", "exact").passed
    halfway = session.weights()
    session.train()
    assert session.check("matches_reference", "exact").passed
    assert not np.array_equal(session.weights(), halfway)


def test_a_check_is_of_the_training_so_far(open_session: Open) -> None:
    session = open_session()
    session.train(1)
    assert session.check("loss_decreases", {"by": 0.1}).observed == 0.0
    session.train()
    observed = session.check("loss_decreases", {"by": 0.1}).observed
    assert observed is not None and observed > 0.1


def test_accuracy_is_of_the_weights_as_they_are(open_session: Open) -> None:
    session = open_session()
    accuracies = [session.check("test_accuracy", {"min": 0.0}).observed]
    session.train()
    accuracies.append(session.check("test_accuracy", {"min": 0.0}).observed)
    assert accuracies[0] != accuracies[1] == session.result().test.accuracy


def test_a_boot_starts_training_over(open_session: Open) -> None:
    session = open_session()
    session.train(3)
    first = session.weights()
    session.boot()
    assert session.losses == ()
    session.train(3)
    assert np.array_equal(session.weights(), first)


def test_more_epochs_than_the_scenario_has_are_refused(open_session: Open) -> None:
    session = open_session()
    session.train(3)
    with pytest.raises(InputError, match=r"2 epochs were to be trained, 1 are left: training\.epochs is 4"):
        session.train(2)
    with pytest.raises(InputError, match="0 epochs were to be trained"):
        session.train(0)
    assert len(session.train()) == 1


def test_an_unknown_expectation_names_the_known_ones(open_session: Open) -> None:
    with pytest.raises(InputError, match="unknown key 'loss'; expected one of loss_decreases"):
        open_session().check("loss", {"max": 1})


def test_training_that_diverged_is_over(open_session: Open) -> None:
    layers = "network.layers=[{dense: {units: 4, activation: relu}}, {dense: {units: 1}}]"
    session = open_session("training.optimizer={sgd: {lr: 1e6}}", "training.loss=mse", layers, "training.epochs=50")
    assert len(session.train()) < 50
    assert session.diverged is not None and session.finished
    assert session.train() == ()
    with pytest.raises(InputError, match="1 epochs were to be trained, 0 are left: training has diverged"):
        session.train(1)
    assert session.check("matches_reference", "exact").passed
    assert session.result().verdict is Verdict.FAILED


def test_what_broke_stays_broken_until_the_next_boot(open_session: Open) -> None:
    session = open_session("link.faults={lose: 1.0}")
    with pytest.raises(LinkLost) as first:
        session.inject()
    with pytest.raises(LinkLost) as second:
        session.train(1)
    assert first.value is second.value is session.broken
    session.boot()
    assert session.broken is None
    assert session.exchange(b"\0")


def test_link_faults_are_counted_and_change_no_bit(open_session: Open) -> None:
    clean = open_session()
    clean.train()
    session = open_session("link.faults={drop: 0.2, bit_flip: 0.2, seed: 5}")
    session.train()
    assert session.faults_injected["drop"] > 0 and session.faults_injected["bit_flip"] > 0
    assert session.link_counters.repeats > 0
    assert np.array_equal(session.weights(), clean.weights())


def test_a_result_outlives_the_guest(open_session: Open, tmp_path: Path) -> None:
    session = open_session()
    result = session.result()
    session.close()
    session.close()
    assert session.result() is result
    session.save(tmp_path / "kept")
    assert (tmp_path / "kept" / "result.json").read_text(encoding="utf-8") == result.to_json()


def test_nothing_is_kept_before_there_is_a_result(open_session: Open, tmp_path: Path) -> None:
    session = open_session()
    session.train(1)
    with pytest.raises(InputError, match="no result to keep yet"):
        session.save(tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def changed_firmware(folder: Path, old: str, new: str) -> Path:
    """A copy of the firmware with one piece of app/train.c replaced."""
    shutil.copytree(asset_path("firmware"), folder / "firmware")
    source = folder / "firmware" / "app" / "train.c"
    text = source.read_text(encoding="utf-8")
    assert text.count(old) == 1
    source.write_text(text.replace(old, new), encoding="utf-8")
    return folder / "firmware"


REQUEST = "trn_answer_t trn_train_request(const trn_request_t *request)\n{"


def test_changed_firmware_that_traps_is_a_fault(open_session: Open, tmp_path: Path) -> None:
    session = open_session(firmware=changed_firmware(tmp_path, REQUEST, REQUEST + " __builtin_trap();"))
    session.inject()
    with pytest.raises(GuestFault, match="undefined instruction"):
        session.train(1)


def test_changed_firmware_that_hangs_spends_its_budget(open_session: Open, tmp_path: Path) -> None:
    hanging = REQUEST + ' for (;;) { __asm__ volatile(""); }'
    session = open_session("budget.wall_s=2", firmware=changed_firmware(tmp_path, REQUEST, hanging))
    session.inject()
    with pytest.raises(GuestHang):
        session.train(1)


def test_an_exchange_is_held_to_its_own_time(open_session: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    session = open_session()
    session.boot()
    budgets: list[Budget] = []
    exchange = type(session.guest).exchange

    def listen(guest: object, data: bytes, *, budget: Budget) -> bytes:
        budgets.append(budget)
        return exchange(guest, data, budget=budget)  # type: ignore[arg-type]

    monkeypatch.setattr(type(session.guest), "exchange", listen)
    session.exchange(b"\0", guest_s=0.25)
    assert budgets[0].wall_s == 0.25, "a host process has no guest time"


def test_a_session_says_what_it_is(open_session: Open) -> None:
    session = open_session()
    session.train(1)
    assert repr(session) == "<Session 'two sensors' on native (native), 1 of 4 epochs trained>"


def test_no_epochs_evaluate_a_firmware_whose_parameters_lie_in_flash(open_session: Open) -> None:
    trained = open_session("expect={}")
    trained.inject()
    before = trained.evaluate()
    fixed = open_session("training.epochs=0", "expect={}")
    result = fixed.result()
    assert result.verdict is Verdict.PASSED
    assert result.training.loss == ()
    assert (result.test.loss, result.test.accuracy) == (before.loss, before.accuracy)
    assert fixed.build().memory.parameters == 4  # an empty array has one element in C
    assert fixed.parameters().keys() == trained.parameters().keys()
    assert all(np.array_equal(value, trained.parameters()[name]) for name, value in fixed.parameters().items())


def test_a_frozen_layer_lies_in_flash_and_is_kept_with_the_others(open_session: Open) -> None:
    layers = "[{dense: {units: 5, trainable: false, name: held}}, {dense: {units: 1, activation: sigmoid}}]"
    session = open_session(f"network.layers={layers}")
    assert session.result().verdict is Verdict.PASSED
    assert session.build().memory.parameters == 4 * 6
    assert list(session.parameters()) == ["held.weights", "held.bias", "dense_1.weights", "dense_1.bias"]
    assert session.weights().shape == (6,)
