# SPDX-License-Identifier: Apache-2.0
"""Data from .npz files and from scikit-learn: forms, targets, and what is said when something is wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainbed.data import Data, load_data
from trainbed.errors import DataError
from trainbed.network.training import Loss
from trainbed.scenario.schema import NpzData, SklearnData

Shape = tuple[int, int, int]


def arrays(**changed: Any) -> dict[str, Any]:
    """Four samples of 2x3, three classes."""
    rng = np.random.default_rng(1)
    plain: dict[str, Any] = {
        "x_train": rng.integers(0, 256, (4, 2, 3), dtype=np.uint8),
        "y_train": np.array([0, 1, 2, 1], np.uint8),
        "x_test": rng.integers(0, 256, (2, 2, 3), dtype=np.uint8),
        "y_test": np.array([2, 0], np.uint8),
    }
    return {key: value for key, value in (plain | changed).items() if value is not None}


def load(
    folder: Path,
    keys: dict[str, Any],
    *,
    shape: Shape = (2, 3, 1),
    n_outputs: int = 3,
    loss: Loss = Loss.MSE,
    **data: Any,
) -> Data:
    np.savez(folder / "set.npz", **keys)
    return load_data(NpzData(npz="set.npz", **data), shape, n_outputs=n_outputs, loss=loss, base_dir=folder, seed=1)


def test_bytes_travel_as_bytes_with_scale_one_255th(tmp_path: Path) -> None:
    keys = arrays()
    data = load(tmp_path, keys)
    assert data.train.x.dtype == np.uint8
    assert data.train.x.shape == (4, 6)
    assert data.x_scale == np.float32(1 / 255)
    expected = keys["x_train"].reshape(4, 6).astype(np.float32) * np.float32(1 / 255) + np.float32(0)
    np.testing.assert_array_equal(data.inputs(data.train), expected)
    assert data.inputs(data.train).dtype == np.float32
    np.testing.assert_array_equal(data.targets_of(data.train), np.eye(3, dtype=np.float32)[[0, 1, 2, 1]])


def test_int16_takes_scale_and_offset_from_the_file_unless_the_scenario_says(tmp_path: Path) -> None:
    x = np.array([[-32768, 0, 1, 2, 3, 32767]] * 4, np.int16)
    keys = arrays(x_train=x, x_test=x[:2], x_scale=np.float64(0.25), x_offset=np.array([1.0]))
    data = load(tmp_path, keys)
    assert data.train.x.dtype == np.int16
    assert (data.x_scale, data.x_offset) == (np.float32(0.25), np.float32(1))
    assert data.inputs(data.train)[0].tolist() == [-8191.0, 1.0, 1.25, 1.5, 1.75, 8192.75]
    asked = load(tmp_path, keys, scale=2.0, offset=-1.0)
    assert asked.inputs(asked.train)[0, :2].tolist() == [-65537.0, -1.0]


def test_the_value_of_a_code_is_one_multiply_then_one_add(tmp_path: Path) -> None:
    x = np.arange(256, dtype=np.uint8)[None, :].repeat(4, axis=0)
    data = load(tmp_path, arrays(x_train=x, x_test=x[:2]), shape=(16, 16, 1), scale=0.1, offset=0.7)
    by_hand = [np.float32(np.float32(np.float32(q) * np.float32(0.1)) + np.float32(0.7)) for q in range(256)]
    assert data.inputs(data.test)[0].tolist() == by_hand
    fused = (np.arange(256) * float(np.float32(0.1)) + float(np.float32(0.7))).astype(np.float32)
    assert (data.inputs(data.test)[0] != fused).any()


@pytest.mark.parametrize(
    ("dtype", "travels"),
    [
        ("float64", "float32"),
        ("float16", "float32"),
        ("int8", "int16"),
        ("int64", "int16"),
        ("uint16", "int16"),
        ("bool", "uint8"),
    ],
)
def test_other_types_travel_in_the_smallest_form_that_holds_them(tmp_path: Path, dtype: str, travels: str) -> None:
    x = np.array([[0, 1, 1, 0, 1, 1]] * 4).astype(dtype)
    assert load(tmp_path, arrays(x_train=x, x_test=x[:2])).train.x.dtype == travels


def test_whole_numbers_beyond_16_bits_travel_as_floats_already_scaled(tmp_path: Path) -> None:
    x = np.array([[0, 1, 2, 3, 4, 70_000]] * 4)
    data = load(tmp_path, arrays(x_train=x, x_test=x[:2]), scale=0.5)
    assert data.train.x[0].tolist() == [0, 0.5, 1, 1.5, 2, 35_000]
    assert (data.x_scale, data.x_offset) == (1, 0)


def test_the_first_samples_are_taken_when_a_count_is_given(tmp_path: Path) -> None:
    keys = arrays()
    data = load(tmp_path, keys, train=3, test=1)
    assert (len(data.train), len(data.test)) == (3, 1)
    np.testing.assert_array_equal(data.train.x, keys["x_train"][:3].reshape(3, 6))


def test_labels_with_one_output_index_their_distinct_values(tmp_path: Path) -> None:
    y = np.array([7, -3, 7, 100])
    data = load(tmp_path, arrays(y_train=y, y_test=np.array([5, 7])), n_outputs=1)
    assert data.targets is not None
    assert data.targets[:, 0].tolist() == [-3, 5, 7, 100]
    assert data.targets_of(data.train)[:, 0].tolist() == [7, -3, 7, 100]


def test_floats_with_one_output_are_labels_up_to_16_distinct_values(tmp_path: Path) -> None:
    x = np.zeros((17, 6), np.uint8)
    few, many = np.linspace(0, 1, 16)[[*range(16), 0]], np.linspace(0, 1, 17)
    data = load(tmp_path, arrays(x_train=x, y_train=few, y_test=few[:2]), n_outputs=1)
    assert data.has_accuracy
    assert data.train.values is None
    data = load(tmp_path, arrays(x_train=x, y_train=many[:, None], y_test=many[:2, None]), n_outputs=1)
    assert not data.has_accuracy
    assert data.train.labels is None
    np.testing.assert_array_equal(data.targets_of(data.train)[:, 0], many.astype(np.float32))


def test_rows_of_targets_are_values_without_accuracy(tmp_path: Path) -> None:
    y = np.arange(8, dtype=np.float64).reshape(4, 2)
    data = load(tmp_path, arrays(y_train=y, y_test=y[:2]), n_outputs=2)
    assert not data.has_accuracy
    assert data.targets_of(data.train).tolist() == y.tolist()


BAD: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    (
        "missing keys",
        {"y_test": None, "x_test": None},
        {},
        r"set\.npz: has no x_test, y_test \(it holds x_train, y_train\)",
    ),
    (
        "shape",
        {"x_train": np.zeros((4, 7), np.uint8)},
        {},
        r"x_train has shape \[7\] = 7 values; .*\[2, 3, 1\] takes 6",
    ),
    ("test shape", {"x_test": np.zeros((2, 7), np.uint8)}, {}, "x_test has shape"),
    ("no rows", {"x_train": np.zeros((0, 6), np.uint8), "y_train": np.zeros(0, np.uint8)}, {}, "x_train is empty"),
    ("scalar", {"x_train": np.uint8(3)}, {}, "x_train is a single number"),
    ("count", {}, {"train": 5}, "5 samples are asked for, x_train has 4"),
    ("lengths", {"y_train": np.zeros(3, np.uint8)}, {}, "x_train has 4 samples, y_train has 3"),
    ("nan", {"x_train": np.array([[0, 0, 0, 0, 0, np.nan]] * 4)}, {}, r"x_train\[0, 5\] is not a finite"),
    ("inf", {"y_train": np.array([0, 1, np.inf, 1])}, {"n_outputs": 1}, r"y_train\[2\] is not a finite"),
    ("beyond float32", {"x_train": np.full((4, 6), 1e300)}, {}, "is not a finite float32"),
    ("types", {"x_train": np.zeros((4, 6))}, {}, "x_train is float32, x_test is uint8"),
    ("text", {"x_train": np.array([["a"] * 6] * 4)}, {}, "x_train is of type <U1; numbers are needed"),
    ("complex", {"x_train": np.zeros((4, 6), complex)}, {}, "numbers are needed"),
    ("objects", {"x_train": np.array([[None] * 6] * 4)}, {}, "x_train holds Python objects"),
    (
        "too many classes",
        {"y_train": np.array([0, 1, 3, 1])},
        {},
        r"y_train has label 3; a network with 3 outputs has labels 0\.\.2",
    ),
    ("negative", {"y_test": np.array([0, -1])}, {}, "y_test has label -1"),
    ("kinds", {"y_test": np.array([0.0, 1.0])}, {}, "y_train and y_test differ in kind"),
    (
        "columns",
        {"y_train": np.zeros((4, 2)), "y_test": np.zeros((2, 2))},
        {},
        "y_train has 2 values per sample; the network has 3",
    ),
    (
        "bce",
        {},
        {"n_outputs": 1, "loss": Loss.BINARY_CROSSENTROPY},
        r"target 2 is outside 0\.\.1, which binary_crossentropy needs",
    ),
    (
        "cce",
        {"y_train": np.full((4, 3), 0.5), "y_test": np.full((2, 3), 0.5)},
        {"loss": Loss.CATEGORICAL_CROSSENTROPY},
        "y_train: targets of a sample must add up to 1",
    ),
    ("scale", {"x_scale": np.zeros(2)}, {}, "x_scale has 2 values; one is needed"),
]


@pytest.mark.parametrize(("changed", "asked", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_data_set_that_does_not_fit_is_refused_by_name(
    tmp_path: Path, changed: dict[str, Any], asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path, arrays(**changed), **asked)
    assert "set.npz" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 broken", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_no_npz_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "set.npz").write_bytes(content)
    with pytest.raises(DataError, match=re.escape(f"{tmp_path / 'set.npz'}: is not an .npz file")):
        load_data(NpzData(npz="set.npz"), (2, 3, 1), n_outputs=3, loss=Loss.MSE, base_dir=tmp_path, seed=1)


def test_a_missing_file_and_a_single_array_are_refused(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"n_outputs": 3, "loss": Loss.MSE, "base_dir": tmp_path, "seed": 1}
    with pytest.raises(DataError, match=r"none\.npz: no such file"):
        load_data(NpzData(npz="none.npz"), (2, 3, 1), **arguments)
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(DataError, match="is one array"):
        load_data(NpzData(npz="one.npy"), (2, 3, 1), **arguments)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8), cut=st.floats(0.2, 1))
def test_a_damaged_npz_loads_or_is_a_data_error(tmp_path: Path, changes: list[tuple[float, int]], cut: float) -> None:
    path = tmp_path / "damaged.npz"
    np.savez_compressed(path, **arrays())
    raw = bytearray(path.read_bytes())
    for place, value in changes:
        raw[int(place * (len(raw) - 1))] = value
    path.write_bytes(raw[: int(len(raw) * cut)])
    try:
        load_data(NpzData(npz="damaged.npz"), (2, 3, 1), n_outputs=3, loss=Loss.MSE, base_dir=tmp_path, seed=1)
    except DataError as error:
        assert "damaged.npz" in str(error)


@pytest.mark.parametrize(
    ("name", "shape", "n_outputs", "counts"),
    [("digits", (8, 8, 1), 10, (1437, 360)), ("iris", (1, 1, 4), 3, (120, 30)), ("wine", (1, 1, 13), 3, (142, 36))],
)
def test_scikit_learn_s_sets_are_scaled_and_split_by_class(
    name: str, shape: Shape, n_outputs: int, counts: tuple[int, int]
) -> None:
    source = SklearnData(sklearn=name)  # type: ignore[arg-type]  # names of the schema
    data = load_data(source, shape, n_outputs=n_outputs, loss=Loss.CATEGORICAL_CROSSENTROPY, base_dir=Path(), seed=1)
    assert (len(data.train), len(data.test)) == counts
    for samples in (data.train, data.test):
        x = data.inputs(samples)
        assert x.min() == 0.0
        assert x.max() == 1.0
        shares = data.targets_of(samples).mean(axis=0)
        assert np.abs(shares - data.targets_of(data.train).mean(axis=0)).max() < 0.02
    again = load_data(source, shape, n_outputs=n_outputs, loss=Loss.MSE, base_dir=Path(), seed=1)
    other = load_data(source, shape, n_outputs=n_outputs, loss=Loss.MSE, base_dir=Path(), seed=2)
    np.testing.assert_array_equal(data.train.x, again.train.x)
    assert (data.train.x != other.train.x).any()


def test_a_digit_s_pixel_travels_as_one_byte() -> None:
    data = load_data(
        SklearnData(sklearn="digits"),
        (8, 8, 1),
        n_outputs=10,
        loss=Loss.CATEGORICAL_CROSSENTROPY,
        base_dir=Path(),
        seed=1,
    )
    assert data.train.x.dtype == np.uint8
    assert (data.train.x.max(), data.x_scale) == (16, np.float32(1 / 16))


def test_breast_cancer_with_one_sigmoid_output_has_targets_0_and_1() -> None:
    data = load_data(
        SklearnData(sklearn="breast_cancer"),
        (1, 1, 30),
        n_outputs=1,
        loss=Loss.BINARY_CROSSENTROPY,
        base_dir=Path(),
        seed=1,
    )
    assert data.targets is not None
    assert data.targets.tolist() == [[0.0], [1.0]]
    assert data.train.x.dtype == np.float32


def test_an_impossible_split_is_a_data_error() -> None:
    source = SklearnData(sklearn="iris", test_fraction=0.001)
    with pytest.raises(DataError, match=r"sklearn iris: test_fraction 0.001 is impossible"):
        load_data(source, (1, 1, 4), n_outputs=3, loss=Loss.MSE, base_dir=Path(), seed=1)
