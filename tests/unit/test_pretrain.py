# SPDX-License-Identifier: Apache-2.0
"""Pre-training as a part of a scenario: engines, cache, what is taken over, what is refused, what is kept."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from trainbed.data.load import load_data
from trainbed.errors import ScenarioError
from trainbed.network.training import Loss
from trainbed.planner.parameters import Arrays
from trainbed.prepare import Prepared, prepare
from trainbed.pretrain.events import HostEvent, PretrainDone, PretrainEpoch
from trainbed.reference.random import initial_weights
from trainbed.run import run_scenario
from trainbed.scenario import load_scenario
from trainbed.scenario.schema import GeneratedData
from trainbed.session import Session
from trainbed.toolchain.cache import cache_root
from trainbed.weights import named, pairs_of

NETWORK = """\
  input: [8, 8, 1]
  layers:
    - conv2d: {filters: 4, kernel: 3, stride: 2, padding: same, activation: relu, trainable: false, name: front}
    - flatten
    - dense: {units: 3, activation: softmax, name: head}
"""
PRETRAIN = """\
pretrain:
  data: {generate: lines, channels: 1, train: 24, test: 12}
  loss: categorical_crossentropy
  optimizer: {adam: {lr: 0.01}}
  epochs: 6
  batch_size: 8
"""
OTHER_CLASSES = ("{generate: lines, channels: 1, train: 24, test: 12}", "{npz: five.npz}")


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folder of this test's own pre-trained weights; firmwares come from the usual cache."""
    kind = f"pretrain-{tmp_path.name}-{os.getpid()}"
    monkeypatch.setattr("trainbed.pretrain.pretrain._KIND", kind)
    yield cache_root() / kind
    shutil.rmtree(cache_root() / kind, ignore_errors=True)


def _scenario_file(tmp_path: Path, *replaced: tuple[str, str], pretrain: str = PRETRAIN, extra: str = "") -> Path:
    text = f"""\
schema: 1
name: host first
board: native
network:
{NETWORK}training:
  {{loss: categorical_crossentropy, optimizer: {{sgd: {{lr: 0.1}}}}, epochs: 2, batch_size: 8, seed: 3}}
data: {{generate: lines, channels: 1, train: 12, test: 6, seed: 9}}
{pretrain}{extra}"""
    for old, new in replaced:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = tmp_path / "s.yaml"
    path.write_text(text)
    return path


def _pairs(prepared: Prepared) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    return pairs_of(prepared.network, prepared.initial)


def _same(one: Arrays, other: Arrays) -> bool:
    return one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)


def _prepared(path: Path) -> tuple[Prepared, list[PretrainEpoch]]:
    told: list[HostEvent] = []
    prepared = prepare(load_scenario(path), tell=told.append)
    assert isinstance(told[-1], PretrainDone)
    assert prepared.pretrained is not None
    return prepared, [event for event in told if isinstance(event, PretrainEpoch)]


def _five_classes(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
    y = (np.arange(40) % 5).astype(np.uint8)
    x[np.arange(40), y, :, 0] = 255
    np.savez(tmp_path / "five.npz", x_train=x, y_train=y, x_test=x[:10], y_test=y[:10])


def test_the_host_gives_what_a_native_run_of_the_same_training_gives(tmp_path: Path) -> None:
    prepared, told = _prepared(_scenario_file(tmp_path))
    assert prepared.pretrained is not None
    assert prepared.pretrained.record.engine == "native"
    assert [event.epoch for event in told] == list(range(6))
    alone = _scenario_file(
        tmp_path,
        ("trainable: false, ", ""),
        ("{sgd: {lr: 0.1}}, epochs: 2", "{adam: {lr: 0.01}}, epochs: 6"),
        ("seed: 3", "seed: 1"),
        ("train: 12, test: 6, seed: 9", "train: 24, test: 12"),
        pretrain="",
    )
    with Session(load_scenario(alone)) as session:
        result = session.result()
        weights = session.parameters()
    assert _same(prepared.initial, weights)
    assert prepared.pretrained.record.loss == result.training.loss
    assert prepared.pretrained.record.test_accuracy == result.test.accuracy


def test_the_same_scenario_is_not_trained_twice(tmp_path: Path) -> None:
    first, _ = _prepared(_scenario_file(tmp_path))
    again, told = _prepared(_scenario_file(tmp_path, ("epochs: 2", "epochs: 1")))
    assert again.pretrained is not None and again.pretrained.cached and told == []
    assert _same(again.initial, first.initial)
    assert again.pretrained.record == first.pretrained.record if first.pretrained else False
    _, told = _prepared(_scenario_file(tmp_path, ("epochs: 6", "epochs: 5")))
    assert len(told) == 5


def test_a_damaged_entry_is_trained_anew(tmp_path: Path, kept: Path) -> None:
    first, _ = _prepared(_scenario_file(tmp_path))
    (weights,) = kept.rglob("weights.npz")
    weights.write_bytes(weights.read_bytes()[:100])
    again, told = _prepared(_scenario_file(tmp_path))
    assert len(told) == 6
    assert _same(again.initial, first.initial)


def test_frozen_layers_keep_what_the_host_taught_them(tmp_path: Path) -> None:
    path = _scenario_file(tmp_path)
    with Session(load_scenario(path)) as session:
        initial = _pairs(session.prepared)
        session.train()
        trained = pairs_of(session.prepared.network, session.parameters())
        assert session.check("matches_reference", "exact").passed
    seeded = initial_weights(session.prepared.network, 1)
    assert not (initial[0][0] == seeded[0][0]).all()
    assert (trained[0][0] == initial[0][0]).all() and (trained[0][1] == initial[0][1]).all()
    assert not (trained[1][0] == initial[1][0]).all()


def test_other_classes_on_the_host_get_a_head_of_their_own(tmp_path: Path) -> None:
    _five_classes(tmp_path)
    prepared, _ = _prepared(_scenario_file(tmp_path, OTHER_CLASSES))
    pretrained = prepared.pretrained
    assert pretrained is not None
    assert pretrained.source.output_size == 5
    assert pretrained.record.reset == ("head",)
    own, deployed = pretrained.source_weights, _pairs(prepared)
    assert (deployed[0][0] == own[0][0]).all()
    fresh = initial_weights(prepared.network, 3)  # the seed of training, not of pretrain
    assert (deployed[1][0] == fresh[1][0]).all() and not deployed[1][1].any()


@pytest.mark.parametrize(("n", "names"), [(0, ()), (1, ("head",)), (2, ("front", "head"))])
def test_the_last_layers_start_anew_where_asked(tmp_path: Path, n: int, names: tuple[str, ...]) -> None:
    prepared, _ = _prepared(_scenario_file(tmp_path, ("epochs: 6", f"epochs: 1\n  reset_last: {n}")))
    assert prepared.pretrained is not None
    assert prepared.pretrained.record.reset == names


def test_pre_training_starts_from_given_weights(tmp_path: Path) -> None:
    network = prepare(load_scenario(_scenario_file(tmp_path))).network
    zeros = [(np.zeros_like(w), np.zeros_like(b)) for w, b in initial_weights(network, 1)]
    np.savez(tmp_path / "w.npz", **named(network, zeros))
    prepared, _ = _prepared(_scenario_file(tmp_path, extra="weights: {npz: w.npz}\n"))
    # relu of zero passes nothing back: the front stays, and the head learns its bias alone
    front, head = _pairs(prepared)
    assert not front[0].any() and not head[0].any() and head[1].any()


def test_batch_norm_is_trained_by_numpy_and_folded(tmp_path: Path) -> None:
    norm = (
        "activation: relu, trainable: false, name: front}\n",
        "trainable: false, name: front}\n    - batch_norm: {activation: relu}\n",
    )
    prepared, told = _prepared(_scenario_file(tmp_path, norm, ("epochs: 6", "epochs: 25")))
    assert prepared.pretrained is not None
    record = prepared.pretrained.record
    assert record.engine == "numpy" and len(told) == 25
    assert told[-1].loss < 0.5 * told[0].loss
    assert [layer.name for layer in prepared.network.layers] == ["front", "flatten_1", "head"]
    # The folded network scores on the device what the normalised one scored on the host.
    again = _scenario_file(
        tmp_path, norm, ("epochs: 6", "epochs: 25"), ("train: 12, test: 6, seed: 9", "train: 12, test: 12, seed: 1")
    )
    with Session(load_scenario(again)) as session:
        session.inject()
        assert session.evaluate().loss == pytest.approx(record.test_loss, rel=1e-4)
        assert session.evaluate().accuracy == record.test_accuracy


def test_the_numpy_engine_gives_the_same_bits_each_time(tmp_path: Path, kept: Path) -> None:
    one, _ = _prepared(_scenario_file(tmp_path, ("epochs: 6", "epochs: 6\n  engine: numpy")))
    shutil.rmtree(kept)
    other, told = _prepared(_scenario_file(tmp_path, ("epochs: 6", "epochs: 6\n  engine: numpy")))
    native, _ = _prepared(_scenario_file(tmp_path))
    assert len(told) == 6
    assert _same(one.initial, other.initial)
    for name, array in native.initial.items():
        np.testing.assert_allclose(one.initial[name], array, atol=2e-3)


def test_pruning_leaves_zeros_and_reports_them(tmp_path: Path) -> None:
    prune = "prune: {initial: 0.1, final: 0.6, steps: 10}\n"
    prepared, _ = _prepared(_scenario_file(tmp_path, extra=prune))
    assert prepared.pretrained is not None
    record = prepared.pretrained.record
    assert record.sparsity == {"front": pytest.approx(22 / 36), "head": pytest.approx(115 / 192, abs=1e-3)}
    weights = _pairs(prepared)[0][0]
    assert np.count_nonzero(weights) == 14


def test_augmentation_on_the_host_changes_what_is_learnt(tmp_path: Path) -> None:
    plain, _ = _prepared(_scenario_file(tmp_path))
    varied = ("epochs: 6", "epochs: 6\n  augment: {rotation: 20, horizontal_flip: true}")
    augmented, _ = _prepared(_scenario_file(tmp_path, varied))
    assert not _same(plain.initial, augmented.initial)


AVERAGED = (
    NETWORK,
    """\
  input: [8, 8, 1]
  layers:
    - conv2d: {filters: 4, kernel: 3, padding: same, name: front}
    - batch_norm: {activation: relu}
    - global_avg_pool
    - dense: {units: 3, activation: softmax, name: head}
""",
)


def _images_of_lines(tmp_path: Path) -> str:
    """Lines of 16x16 in a file."""
    lines = GeneratedData(generate="lines", size=16, channels=1, train=24, test=12)
    data = load_data(lines, (16, 16, 1), n_outputs=3, loss=Loss.MSE, base_dir=tmp_path, seed=1)
    x, t = (data.train.x * 255).astype(np.uint8).reshape(-1, 16, 16, 1), (data.test.x * 255).astype(np.uint8)
    t = t.reshape(-1, 16, 16, 1)
    np.savez(tmp_path / "lines.npz", x_train=x, y_train=data.train.labels, x_test=t, y_test=data.test.labels)
    return "{npz: lines.npz, fit: true}"


def test_the_first_epochs_can_have_smaller_images(tmp_path: Path) -> None:
    source = (OTHER_CLASSES[0], _images_of_lines(tmp_path))
    stages = [f"epochs: 6\n  progressive: {{size: {size}, epochs: 4}}" for size in (4, 8)]
    small, told = _prepared(_scenario_file(tmp_path, AVERAGED, source, ("epochs: 6", stages[0])))
    assert small.pretrained is not None and small.pretrained.record.engine == "numpy"
    assert [event.epoch for event in told] == list(range(6))
    assert small.pretrained.source.input_shape == (8, 8, 1)
    plain, told_plain = _prepared(_scenario_file(tmp_path, AVERAGED, source))
    assert told[0].loss != told_plain[0].loss and not _same(small.initial, plain.initial)
    # Images of the full size from the start are no different from none that are smaller.
    full, told_full = _prepared(_scenario_file(tmp_path, AVERAGED, source, ("epochs: 6", stages[1])))
    assert _same(full.initial, plain.initial) and told_full == told_plain


def test_pre_training_that_was_done_resizes_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _scenario_file(tmp_path, AVERAGED, (OTHER_CLASSES[0], _images_of_lines(tmp_path)))
    first, _ = _prepared(path)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("an image was resized")

    monkeypatch.setattr("trainbed.data.load.resized", never)
    again, told = _prepared(path)
    assert told == [] and _same(again.initial, first.initial)


def test_an_augmented_run_is_streamed_and_equals_the_twin(tmp_path: Path) -> None:
    extra = "augment: {rotation: 30, width_shift: 0.1, balance: true}\nexpect: {matches_reference: exact}\n"
    path = _scenario_file(tmp_path, pretrain="", extra=extra)
    out = tmp_path / "out"
    result = run_scenario(load_scenario(path), out=out)
    assert result.verdict == "passed"
    assert (out / "augmented.png").read_bytes().startswith(b"\x89PNG")
    assert not prepare(load_scenario(path)).resident
    plain = run_scenario(load_scenario(_scenario_file(tmp_path, pretrain="")), out=out)
    assert plain.weights.sha256 != result.weights.sha256
    assert not (out / "augmented.png").exists()


def test_the_run_keeps_pre_trained_weights_that_load_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = run_scenario(load_scenario(_scenario_file(tmp_path)), out=out)
    told = json.loads((out / "pretrain.json").read_text())
    assert (told["engine"], len(told["loss"]), told["reset"]) == ("native", 6, [])
    second = run_scenario(load_scenario(_scenario_file(tmp_path, pretrain="weights: {npz: out/pretrained.npz}\n")))
    assert second.weights.sha256 == first.weights.sha256
    assert second.training.loss == first.training.loss


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("  epochs: 6\n", "", 13, "'epochs' is missing in pretrain"),
        ("epochs: 6", "epochs: 0", 17, "pretrain.epochs: must be at least 1"),
        ("epochs: 6", "epochs: 6\n  reset_last: 3", 18, "3 layers are to start anew, 2 have weights"),
        ("epochs: 6", "epochs: 6\n  engine: torch", 18, "'torch' is not known"),
        ("epochs: 6", "epochs: 6\n  precision: uint8", 18, "the host trains in float32"),
        ("loss: categorical_crossentropy\n", "loss: binary_crossentropy\n", 15, "needs sigmoid at the last layer"),
        ("{adam: {lr: 0.01}}", "{sgd: {lr: 1e30}}", 16, "pre-training diverged in epoch 1"),
        (OTHER_CLASSES[0], "{npz: none.npz}", 14, "no such file"),
        ("{generate: lines, channels: 1, train: 24", "{generate: lines, channels: 2, train: 24", 14, "takes 64"),
        ("epochs: 6", "epochs: 6\n  progressive: {size: 4, epochs: 2}", 18, "data with 'fit: true'"),
        ("epochs: 6", "epochs: 6\n  progressive: {size: 4, epochs: 7}", 13, "there are 6 epochs in all"),
        ("epochs: 6", "epochs: 6\n  augment: {per_class: 2, zoom: 2}", 18, "zoom"),
    ],
)
def test_impossible_pre_training_is_refused_at_its_line(
    tmp_path: Path, old: str, new: str, line: int, message: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        prepare(load_scenario(_scenario_file(tmp_path, (old, new))))
    assert message in str(caught.value)
    assert caught.value.line == line


def test_a_network_whose_weights_depend_on_the_size_is_not_trained_on_smaller_images(tmp_path: Path) -> None:
    source = (OTHER_CLASSES[0], _images_of_lines(tmp_path))
    stages = ("epochs: 6", "epochs: 6\n  progressive: {size: 4, epochs: 4}")
    with pytest.raises(ScenarioError, match="'head' has other weights with images of 4x4") as caught:
        prepare(load_scenario(_scenario_file(tmp_path, source, stages)))
    assert caught.value.line == 18


def test_a_head_of_other_classes_cannot_be_kept(tmp_path: Path) -> None:
    _five_classes(tmp_path)
    with pytest.raises(ScenarioError, match="reset_last is at least 1") as caught:
        prepare(load_scenario(_scenario_file(tmp_path, OTHER_CLASSES, ("epochs: 6", "epochs: 1\n  reset_last: 0"))))
    assert caught.value.line == 18


@pytest.mark.parametrize(
    ("extra", "pretrain", "message"),
    [
        ("prune: {final: 0.5, steps: 10}\n", "", "add 'pretrain'"),
        ("prune: {final: 0.5, steps: 10}\n", PRETRAIN + "  engine: native\n", "engine native has no prune"),
        ("prune: {initial: 0.9, final: 0.5, steps: 10}\n", PRETRAIN, "sparsity rises"),
        ("", PRETRAIN + "  engine: native\n  progressive: {size: 4, epochs: 2}\n", "native has no progressive"),
        ("augment: {rotation: 10}\nlink: {dataset: resident}\n", "", "they are streamed"),
        ("augment: {rotaton: 10}\n", "", "did you mean 'rotation'?"),
        ("augment: {fill: mirror}\n", "", "'mirror' is not known"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path: Path, extra: str, pretrain: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=r"s\.yaml:") as caught:
        prepare(load_scenario(_scenario_file(tmp_path, pretrain=pretrain, extra=extra)))
    assert message in str(caught.value)


def test_augmentation_is_for_images(tmp_path: Path) -> None:
    vector = (NETWORK, "  input: [64]\n  layers: [dense: {units: 3, activation: softmax}]\n")
    with pytest.raises(ScenarioError, match="augment is for images"):
        prepare(load_scenario(_scenario_file(tmp_path, vector, pretrain="", extra="augment: {rotation: 10}\n")))


def test_the_outcome_is_told_in_one_line() -> None:
    done = PretrainDone("numpy", 0.912, 0.6, ("head",), cached=False)
    assert done.line() == (
        "pre-trained on the host (numpy), test accuracy 91.2%, 60% of the weights are zero; head starts anew"
    )
    assert PretrainDone("native", None, 0.0, (), cached=True).line() == "pre-trained before, found in the cache"
    assert PretrainEpoch(1, 10, 0.5, 0.25).line() == "pre-training on the host  2/10  loss 0.50000  accuracy  25.0%"
