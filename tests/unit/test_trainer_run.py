# SPDX-License-Identifier: Apache-2.0
"""The trainer against the real application in C: every format, resident or streamed, every size of batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from loopback_guest import Config, Loopback, build, samples
from numpy.typing import NDArray

from trainbed.errors import DataError, ProtocolError
from trainbed.link.client import Client, RequestRefused
from trainbed.link.codes import ErrorCode, TFormat, XFormat
from trainbed.link.samples import SampleSet
from trainbed.network.training import Sgd
from trainbed.trainer import Course, Diverged, EpochDone, Evaluated, Event, Started, Trainer, seeded_order

F32 = np.float32
SGD = Sgd(0.1)
Power = Callable[[Config], Loopback]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp() / "loopback"


@pytest.fixture
def power(folder: Path) -> Iterator[Power]:
    """power(config) -> a started guest built for it."""
    guests: list[Loopback] = []

    def start(config: Config) -> Loopback:
        guests.append(Loopback(build(config, folder, sanitize=True)))
        guests[-1].start()
        return guests[-1]

    yield start
    for guest in guests:
        guest.close()


def run(
    guest: Loopback, train: SampleSet, test: SampleSet | None = None, **course: object
) -> tuple[list[Event], Trainer]:
    settings: dict[str, object] = {"epochs": 1, "batch_size": 4, "optimizer": SGD} | course
    trainer = Trainer(Client(guest), train, test, Course(**settings))  # type: ignore[arg-type]
    return list(trainer.run()), trainer


def kahan(losses: list[np.float32]) -> float:
    total = compensation = F32(0)
    for loss in losses:
        y = loss - compensation
        t = total + y
        compensation = (t - total) - y
        total = t
    return float(total)


def inputs(config: Config, set_: SampleSet) -> NDArray[np.float32]:
    """Inputs as the device converts them."""
    if config.x_format is XFormat.F32:
        return set_.x
    return set_.x.astype(F32) * F32(config.scale) + F32(config.offset)


FORMATS = [
    Config(x_format=x, t_format=t, scale=0.3, offset=-1.7, resident_samples=0, rx_bytes=124)
    for x in XFormat
    for t in TFormat
]


@pytest.mark.parametrize("config", FORMATS, ids=lambda c: f"{c.x_format.name}-{c.t_format.name}")
def test_samples_arrive_as_the_host_converts_them_resident_or_streamed(power: Power, config: Config) -> None:
    train = samples(config, 13)
    order = seeded_order(1, 0, 13)
    expected = [("train", float(x)) for x in inputs(config, train)[order, 0]]
    weights = []
    for resident in (0, 13):
        guest = power(replace(config, resident_samples=resident))
        events, trainer = run(guest, train)
        assert isinstance(events[0], Started)
        assert events[0].resident == bool(resident)
        assert [r for r in guest.records() if r[0] == "train"] == expected
        weights.append(trainer.read_weights().tobytes())
    assert weights[0] == weights[1]


def test_targets_of_values_and_of_labels_reach_the_model(power: Power) -> None:
    """The stub's evaluation loss is x[0] + t[0]."""
    for t_format in TFormat:
        config = Config(t_format=t_format)
        train = samples(config, 6)
        (*_, last), _ = run(power(config), train, train)
        target = (train.labels == 0).astype(F32) if train.labels is not None else train.values[:, 0]
        assert isinstance(last, Evaluated)
        assert last.loss == kahan(list(train.x[:, 0] + target)) / 6


def test_one_output_takes_its_target_from_the_table(power: Power) -> None:
    config = Config(n_outputs=1)
    train = samples(config, 8)
    train.x[:, 0] = [0.0, 0.2, 0.25, 0.3, 0.74, 0.76, 1.0, 9.0]  # the stub's output in training is x[0]
    train.labels[:] = [0, 0, 0, 1, 1, 2, 2, 2]
    (_, epoch, last), _ = run(power(config), train, train, targets=(0.0, 0.5, 1.0), shuffle=False)
    assert isinstance(epoch, EpochDone)
    assert epoch.accuracy == 1.0  # 0.25 lies between two targets: the first wins
    table = np.array([0, 0.5, 1], dtype=F32)
    assert last.loss == kahan(list(train.x[:, 0] + table[train.labels])) / 8


def test_a_label_without_an_entry_in_the_table_is_refused(power: Power) -> None:
    config = Config(n_outputs=1)
    with pytest.raises(RequestRefused) as caught:
        run(power(config), samples(config, 8), targets=(0.0, 0.5))
    assert caught.value.error == ErrorCode.OUT_OF_RANGE


@pytest.mark.parametrize("resident", [False, True])
@pytest.mark.parametrize("batch", [1, 3, 4, 7, 16, 100, 200])
def test_a_batch_goes_on_over_messages_and_the_last_is_divided_by_its_own_size(
    power: Power, batch: int, resident: bool
) -> None:
    """90 samples; a message takes 4 samples or 55 indices."""
    config = Config(resident_samples=90)
    guest = power(config)
    run(guest, samples(config, 90), batch_size=batch, resident=resident)
    records = guest.records()
    begins = [value for kind, value in records if kind == "begin"]
    assert begins == [float(min(batch, 90 - start)) for start in range(0, 90, batch)]
    sizes, n = [], 0
    for kind, _ in records:
        n = 0 if kind == "begin" else n + (kind == "train")
        if kind == "end":
            sizes.append(float(n))
    assert sizes == begins


def test_the_loss_of_an_epoch_is_the_compensated_sum_over_messages(power: Power) -> None:
    config = Config()
    train = samples(config, 500)
    (_, epoch), _ = run(power(config), train, batch_size=7)
    order = seeded_order(1, 0, 500)
    assert epoch.loss == kahan(list((train.x[order, 0] + F32(0.1)) * F32(1))) / 500
    assert epoch.samples_trained == 500


def test_accuracy_counts_the_first_largest_output(power: Power) -> None:
    config = Config()
    train = samples(config, 4)
    train.x[:, :3] = [[1, 2, 3], [3, 3, 1], [1, 5, 5], [0, 0, 0]]
    train.labels[:] = [2, 0, 1, 1]
    (_, epoch), _ = run(power(config), train, shuffle=False)
    assert epoch.accuracy == 0.75


@pytest.mark.parametrize("resident", [False, True])
def test_balanced_accuracy_is_the_mean_over_the_classes_of_the_share_answered_right(
    power: Power, resident: bool
) -> None:
    """The stub's outputs are the inputs and the first weights."""
    config = Config(resident_samples=90)
    test = samples(config, 60)
    labels = np.random.default_rng(1).permutation([0] * 30 + [1] * 20 + [2] * 10)
    test.labels[:] = labels
    test.x[:, :3] = np.random.default_rng(2).integers(0, 99, (60, 3))
    (*_, last), trainer = run(power(config), samples(config, 5), test, resident=resident)
    right = (test.x[:, :3] + trainer.read_weights()[:3]).argmax(axis=1) == labels
    recalls = [right[labels == label].mean() for label in range(3)]
    assert isinstance(last, Evaluated)
    assert last.accuracy == right.mean()
    assert last.recalls == pytest.approx(recalls)
    assert last.balanced_accuracy == pytest.approx(np.mean(recalls))
    assert last.balanced_accuracy != pytest.approx(last.accuracy)


def test_values_have_no_accuracy(power: Power) -> None:
    config = Config(t_format=TFormat.VALUES)
    (_, epoch, last), _ = run(power(config), samples(config, 4), samples(config, 2))
    assert epoch.accuracy is None
    assert last.accuracy is None
    assert last.balanced_accuracy is None


def test_every_epoch_has_the_order_of_the_seed(power: Power) -> None:
    config = Config()
    guest = power(config)
    train = samples(config, 9)
    run(guest, train, epochs=3, seed=5)
    trained = [value for kind, value in guest.records() if kind == "train"]
    assert trained == [float(train.x[i, 0]) for epoch in range(3) for i in seeded_order(5, epoch, 9)]


def test_the_test_set_is_evaluated_when_the_course_says(power: Power) -> None:
    config = Config()
    guest = power(config)
    for every, expected in ((0, [4]), (1, [0, 1, 2, 3, 4]), (2, [1, 3, 4])):
        events, _ = run(guest, samples(config, 5), samples(config, 9), epochs=5, evaluate_every=every)
        assert [event.epoch for event in events if isinstance(event, Evaluated)] == expected
        guest.start()


@pytest.mark.parametrize("resident", [False, True])
def test_the_test_set_and_not_the_training_set_is_evaluated(power: Power, resident: bool) -> None:
    """The stub's evaluation loss is x[0] + t[0]."""
    config = Config(resident_samples=90)
    test = samples(config, 70, first=1000)  # more than one message of indices
    (*_, last), _ = run(power(config), samples(config, 5), test, resident=resident)
    assert isinstance(last, Evaluated)
    assert last.loss == kahan(list(test.x[:, 0] + (test.labels == 0).astype(F32))) / 70
    assert last.n_samples == 70


def test_given_weights_are_where_training_starts(power: Power) -> None:
    config = Config()
    given = np.arange(40, dtype=F32) / 3
    trainer = Trainer(
        Client(power(config)), samples(config, 5), None, Course(epochs=0, batch_size=4, optimizer=SGD), weights=given
    )
    list(trainer.run())
    assert trainer.read_weights().tobytes() == given.tobytes()


@pytest.mark.parametrize("resident", [False, True])
def test_a_loss_that_is_not_finite_stops_at_its_sample_and_keeps_the_last_good_weights(
    power: Power, resident: bool
) -> None:
    config = Config(resident_samples=30)
    train = samples(config, 30)
    train.x[11, 1] = 77.0  # the stub's loss overflows
    good = power(config)
    before = SampleSet(train.x[:8], labels=train.labels[:8])
    _, kept = run(good, before, shuffle=False)
    guest = power(config)
    events, trainer = run(guest, train, shuffle=False, resident=resident, epochs=3)
    assert events[1:] == [Diverged(epoch=0, position=11, sample=11, step=2)]
    assert guest.records()[-2:] == [("train", 12.0), ("discard", 0.0)]
    assert trainer.read_weights().tobytes() == kept.read_weights().tobytes()
    for _ in range(2):
        with pytest.raises(RequestRefused) as caught:
            trainer.client.train_samples(11, train.encode(np.arange(1)), batch_samples=1)
        assert (caught.value.error, caught.value.detail) == (ErrorCode.DIVERGED, 11)
        trainer.client.begin_epoch(1, lr=0.1)
    trainer.client.init(1)
    assert trainer.client.train_samples(0, train.encode(np.arange(1)), batch_samples=1).n_samples == 1


def test_divergence_in_a_later_epoch_counts_its_steps(power: Power) -> None:
    config = Config()
    guest = power(config)
    train = samples(config, 10)
    trainer = Trainer(Client(guest), train, None, Course(epochs=3, batch_size=4, optimizer=SGD))
    events = []
    for event in trainer.run():
        events.append(event)
        train.x[7, 1] = 77.0  # from the second epoch on
        if isinstance(event, Started):
            train.x[7, 1] = 1.0
    position = int(np.flatnonzero(seeded_order(1, 1, 10) == 7)[0])
    assert events[-1] == Diverged(epoch=1, position=position, sample=7, step=3 + position // 4)


def test_an_unfinished_batch_is_dropped_by_the_next_epoch_and_by_a_new_session(power: Power) -> None:
    config = Config()
    guest = power(config)
    client = Client(guest)
    client.connect()
    client.init(1)
    start = client.read_parameters().tobytes()
    data = samples(config, 3).encode(np.arange(3))
    client.train_samples(0, data, batch_samples=4)
    client.begin_epoch(0, lr=0.1)
    client.train_samples(0, data, batch_samples=4)
    client.connect()
    assert client.status().batch_samples == 0
    assert client.read_parameters().tobytes() == start
    assert [kind for kind, _ in guest.records() if kind != "train"] == ["begin", "discard"] * 2


def test_samples_the_firmware_was_not_built_for_are_refused_before_anything_is_sent(power: Power) -> None:
    config = Config()
    guest = power(config)
    for other in (Config(x_format=XFormat.U8), Config(t_format=TFormat.VALUES), Config(n_inputs=6)):
        with pytest.raises(DataError, match="the firmware was built for"):
            run(guest, samples(other, 4))
    with pytest.raises(DataError, match="room for 0"):
        run(guest, samples(config, 4), resident=True)
    with pytest.raises(DataError, match="empty"):
        run(guest, samples(config, 0))
    with pytest.raises(ProtocolError, match="built from plan 5afe1234"):
        run(guest, samples(config, 4), fingerprint=1)
    assert guest.records() == []


def test_outputs_of_one_sample_are_the_models(power: Power) -> None:
    config = Config(x_format=XFormat.I16, scale=0.5, offset=1.0)
    client = Client(power(config))
    client.connect()
    client.write_parameters(np.arange(40, dtype=F32))
    x = np.array([2, -4, 6, 8, 10], dtype=np.int16)
    assert client.predict(x.tobytes()).tolist() == [2.0, 0.0, 6.0]


def test_a_sample_set_that_does_not_fit_together_is_refused() -> None:
    x = np.zeros((3, 2), dtype=F32)
    labels = np.zeros(3, dtype=np.uint16)
    for bad in (
        lambda: SampleSet(x),
        lambda: SampleSet(x.astype(np.float64), labels=labels),
        lambda: SampleSet(x, labels=labels[:2]),
        lambda: SampleSet(x, labels=labels.astype(np.int32)),
        lambda: SampleSet(x, labels=labels, values=x),
        lambda: SampleSet(x, values=x[:2]),
    ):
        with pytest.raises(DataError):
            bad()
