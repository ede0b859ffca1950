# SPDX-License-Identifier: Apache-2.0
"""result.json: its key paths, that it reads back, that it is whole or absent, that it is equal from run to run."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from results import a_result

from trainbed.contract import judge
from trainbed.result import Result, TrainingFacts, clear_run, save_run, weights_sha256
from trainbed.scenario.schema import ExpectKeys

PATHS = """
schema verdict stop_reason scenario.name board backend.name backend.version
model.parameters model.parameter_bytes model.macs_forward
memory.training_bytes memory.flash_bytes memory.ram_bytes memory.stack_bytes memory.stack_bound_bytes
training.loss training.accuracy training.diverged_at training.update_share test.accuracy test.loss
test.balanced_accuracy
cost.class cost.model
cost.cycles_per_sample.forward cost.cycles_per_sample.backward cost.cycles_per_sample.update
cost.cycles_per_sample.total
cost.memory_cycles_per_sample.forward
cost.memory_cycles_per_sample.backward cost.memory_cycles_per_sample.update
cost.memory_cycles_per_sample.total
cost.instructions_per_sample.forward cost.instructions_per_sample.backward cost.instructions_per_sample.update
cost.instructions_per_sample.total
cost.energy_uj_per_sample cost.emulated_mips cost.wall_s cost.cycles_per_inference
weights.file weights.sha256 firmware.elf firmware.sha256
expectations versions.compiler versions.trainbed host.machine
"""


def judged() -> Result:
    return judge(
        ExpectKeys.model_validate({"test_accuracy": {"min": 0.7}, "matches_reference": "exact"}),
        a_result(),
        reference_ulp=0,
    )


def _paths(plain: Any, prefix: str = "") -> list[str]:
    if not isinstance(plain, dict):
        return [prefix]
    return [path for key, value in plain.items() for path in _paths(value, f"{prefix}.{key}" if prefix else key)]


def test_the_key_paths_scripts_rely_on_are_there_in_this_order() -> None:
    assert _paths(json.loads(judged().to_json())) == PATHS.split()


def test_an_expectation_has_its_four_keys() -> None:
    expectations = json.loads(judged().to_json())["expectations"]
    assert expectations == [
        {"name": "test_accuracy", "passed": True, "observed": 0.75, "bound": {"min": 0.7}},
        {"name": "matches_reference", "passed": True, "observed": 0, "bound": "exact"},
    ]


def test_a_result_reads_back_as_it_was() -> None:
    assert Result.from_json(judged().to_json()) == judged()
    assert Result.from_json(judged().to_json()).to_json() == judged().to_json()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_losses_survive_to_the_last_bit(losses: list[float]) -> None:
    result = replace(a_result(), training=TrainingFacts(loss=tuple(losses), accuracy=None))
    assert Result.from_json(result.to_json()).training.loss == tuple(losses)


def test_a_number_that_is_not_finite_is_null() -> None:
    result = replace(a_result(), training=TrainingFacts(loss=(1.0, math.nan, math.inf), accuracy=None, diverged_at=7))
    text = result.to_json()
    assert json.loads(text)["training"] == {
        "loss": [1.0, None, None],
        "accuracy": None,
        "diverged_at": 7,
        "update_share": None,
    }
    read = Result.from_json(text).training
    assert read.loss[0] == 1.0
    assert math.isnan(read.loss[1])


def test_numbers_of_numpy_are_numbers_of_json() -> None:
    result = replace(a_result(), training=TrainingFacts(loss=(np.float32(0.5), np.float64(0.25)), accuracy=None))  # type: ignore[arg-type]
    assert json.loads(result.to_json())["training"]["loss"] == [0.5, 0.25]


def test_the_deterministic_part_leaves_out_the_host_and_nothing_else() -> None:
    one = judged()
    two = replace(one, host={"machine": "arm64", "extra": 3}, cost=replace(one.cost, emulated_mips=1.0, wall_s=99.0))
    assert one.deterministic_json() == two.deterministic_json()
    left_out = set(PATHS.split()) - set(_paths(json.loads(one.deterministic_json())))
    assert left_out == {"host.machine", "cost.emulated_mips", "cost.wall_s"}
    other = replace(one, cost=replace(one.cost, energy_uj_per_sample=1.0))
    assert one.deterministic_json() != other.deterministic_json()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda plain: plain.update(schema=2), "schema: 2 is not known"),
        (lambda plain: plain.pop("board"), r"result\.board is missing"),
        (lambda plain: plain["cost"].pop("class"), r"result\.cost\.class is missing"),
        (
            lambda plain: plain["cost"]["cycles_per_sample"].update(total="3"),
            r"cost\.cycles_per_sample\.total: float is needed",
        ),
        (lambda plain: plain["model"].update(parameters=True), r"result\.model\.parameters: int is needed"),
        (lambda plain: plain["training"].update(loss=3), r"result\.training\.loss: a list is needed"),
        (lambda plain: plain.update(verdict="good"), "'good' is not a valid Verdict"),
        (lambda plain: plain.update(memory=[]), r"result\.memory: an object is needed"),
    ],
)
def test_a_file_that_is_no_result_is_refused_by_key_path(change: Any, message: str) -> None:
    plain = judged().to_dict()
    change(plain)
    with pytest.raises(ValueError, match=message):
        Result.from_dict(plain)


def test_the_digest_of_weights_is_over_little_endian_bytes_in_order() -> None:
    w, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([7, 8], np.float32)
    by_hand = hashlib.sha256(w.astype("<f4").tobytes() + b.astype("<f4").tobytes()).hexdigest()
    assert weights_sha256([w, b]) == by_hand
    assert weights_sha256([w.astype(">f4"), b]) == by_hand
    assert weights_sha256([b, w]) != by_hand


@pytest.fixture
def elf(tmp_path: Path) -> Path:
    path = tmp_path / "built.elf"
    path.write_bytes(b"\x7fELF")
    return path


WEIGHTS = {"dense_1.weights": np.ones((2, 3), np.float32), "dense_1.bias": np.zeros(2, np.float32)}


def test_a_run_is_kept_whole(tmp_path: Path, elf: Path) -> None:
    out = tmp_path / "deep" / "out"
    save_run(out, judged(), weights=WEIGHTS, elf=elf)
    assert sorted(path.name for path in out.iterdir()) == ["firmware.elf", "result.json", "weights.npz"]
    assert Result.from_json((out / "result.json").read_text()) == judged()
    with np.load(out / "weights.npz", allow_pickle=False) as kept:
        assert list(kept) == ["dense_1.weights", "dense_1.bias"]
        np.testing.assert_array_equal(kept["dense_1.weights"], WEIGHTS["dense_1.weights"])


def test_the_same_run_is_kept_in_the_same_bytes(tmp_path: Path, elf: Path) -> None:
    kept = []
    for name in ("a", "b"):
        save_run(tmp_path / name, judged(), weights=WEIGHTS, elf=elf)
        kept.append([(path.name, path.read_bytes()) for path in sorted((tmp_path / name).iterdir())])
    assert kept[0] == kept[1]


def test_an_older_result_is_gone_before_a_new_run_starts(tmp_path: Path, elf: Path) -> None:
    save_run(tmp_path / "out", judged(), weights=WEIGHTS, elf=elf)
    (tmp_path / "out" / "notes.txt").write_text("mine")
    clear_run(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("broken", [KeyboardInterrupt, OSError])
def test_nothing_half_written_is_left_when_keeping_breaks(
    tmp_path: Path, elf: Path, monkeypatch: pytest.MonkeyPatch, broken: type[BaseException]
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise broken

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(broken):
        save_run(tmp_path / "out", judged(), weights=WEIGHTS, elf=elf)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["firmware.elf"]
