# SPDX-License-Identifier: Apache-2.0
"""The strict YAML loader: types, lines, refusals, and that no input gets past it with anything but a ScenarioError."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from trainbed.assets import asset_path
from trainbed.errors import ScenarioError
from trainbed.scenario.document import parse_document, parse_value
from trainbed.scenario.loader import check_document
from trainbed.scenario.scenario import Scenario

DEPTHCONV = (asset_path("scenarios") / "depthconv.yaml").read_bytes()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        ("-2.5", -2.5),
        (".5", 0.5),
        ("3.", 3.0),
        ("1_000", 1000),
        ("0x20", 32),
        ("0x0001_0000", 65536),
        ("0o17", 15),
        ("-7", -7),
        ("010", 10),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("12:30:45", "12:30:45"),
        ("2026-11-20", "2026-11-20"),
        ("'5'", "5"),
        ('"1e-3"', "1e-3"),
        ("[3, 3]", [3, 3]),
        ("{sgd: {lr: 0.1}}", {"sgd": {"lr": 0.1}}),
        ("0x", "0x"),
        ("_1", "_1"),
    ],
)
def test_a_value_has_the_type_that_yaml_1_2_gives_it(text: str, value: object) -> None:
    found = parse_value(text)
    assert found == value
    assert type(found) is type(value)


def test_the_difference_to_pyyaml_is_real() -> None:
    assert yaml.safe_load("1e-3") == "1e-3"
    assert yaml.safe_load("yes") is True
    assert yaml.safe_load("{a: 1, a: 2}") == {"a": 2}


def test_every_key_and_item_knows_its_line() -> None:
    document = parse_document(b"a: 1\nb:\n  - x\n  - c: 2\n    d:\n      e: 3\n")
    assert {path: line for path, line in document.lines.items() if path} == {
        ("a",): 1,
        ("b",): 2,
        ("b", 0): 3,
        ("b", 1): 4,
        ("b", 1, "c"): 4,
        ("b", 1, "d"): 5,
        ("b", 1, "d", "e"): 6,
    }
    assert document.line_of(("b", 1, "d", "missing")) == 5


@pytest.mark.parametrize(
    ("raw", "line", "message"),
    [
        (b"a: 1\nb: 2\na: 3\n", 3, "'a' stands twice, first at line 1"),
        (b"a: 1\nb: {c: 1,\n  c: 2}\n", 3, "'c' stands twice"),
        (b"a: &x 1\nb: *x\n", 2, "aliases"),
        (b"a: 1\nb: !!python/object:os.system {}\n", 2, "tags"),
        (b"a: 1\n---\nb: 2\n", 2, "second document"),
        (b"a: 1\nb:\n\t- c\n", 3, "tab"),
        (b"a: 1\nb: [1, 2\n", 3, "expected"),
        (b"a: 1\nb: \xff\n", 2, "not UTF-8"),
        (b"a: 1\nb: \x01\n", 2, "U+0001"),
        (b"? [a, b]\n: 1\n", 1, "a key must be a word"),
        (b"a: 1\n" + b"b: " + b"[" * 40 + b"]" * 40 + b"\n", 2, "nested deeper"),
        (b"a: " + b"9" * 5000 + b"\n", 1, "too many digits"),
        (b"", 1, "is empty"),
        (b"# nothing\n", 1, "is empty"),
        (b"x" * (2 << 20), 1, "is larger than"),
    ],
)
def test_what_is_not_strict_yaml_is_refused_at_its_line(raw: bytes, line: int, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_document(raw, file=Path("s.yaml"))
    assert message in str(caught.value)
    assert caught.value.line == line
    assert str(caught.value).startswith(f"s.yaml:{line}: ")


def test_a_byte_order_mark_is_not_part_of_the_first_key() -> None:
    assert parse_document(b"\xef\xbb\xbfa: 1\n").root == {"a": 1}


def _load(raw: bytes) -> Scenario | ScenarioError:
    try:
        document = parse_document(raw, file=Path("s.yaml"))
        return check_document(document)
    except ScenarioError as error:
        assert error.line is not None
        assert error.line >= 1
        return error


@given(st.binary(max_size=200))
@example(b'"\\UFFFFFFFF"')
@example(b"%YAML 1.99999999999999999999\n---\na: 1")
@example(b"a: .inf\n")
@example(b"schema: {}\n")
@example(b"schema: [1]\nname: 5")
def test_random_bytes_give_a_scenario_error_with_a_line(raw: bytes) -> None:
    assert isinstance(_load(raw), ScenarioError)


@given(st.text(alphabet=st.sampled_from("abc:-[]{},&*!|>'\"%@` \n\t#?0123.~_exo"), max_size=120))
def test_random_yaml_like_text_gives_a_scenario_error_with_a_line(text: str) -> None:
    assert isinstance(_load(text.encode()), ScenarioError)


MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, len(DEPTHCONV)),
        st.integers(0, 12),
        st.one_of(
            st.binary(max_size=6),
            st.sampled_from(
                [b"{", b"}", b"[", b"]", b": ", b"\n", b"\n  ", b"- ", b"-1", b"1e999", b".nan", b"null", b"''", b"{}"]
            ),
        ),
    ),
    min_size=1,
    max_size=4,
)


@given(MUTATIONS)
def test_a_damaged_scenario_loads_or_is_refused_with_a_line(mutations: list[tuple[int, int, bytes]]) -> None:
    raw = DEPTHCONV
    for place, removed, inserted in mutations:
        raw = raw[:place] + inserted + raw[place + removed :]
    assert isinstance(_load(raw), (Scenario, ScenarioError))


WORDS = st.sampled_from(
    [
        "schema",
        "name",
        "board",
        "network",
        "input",
        "layers",
        "training",
        "loss",
        "optimizer",
        "adam",
        "sgd",
        "lr",
        "epochs",
        "batch_size",
        "data",
        "generate",
        "npz",
        "sklearn",
        "expect",
        "by",
        "min",
        "max",
        "dense",
        "conv2d",
        "add",
        "units",
        "kernel",
        "activation",
        "weights",
        "link",
        "faults",
        "update",
        "pretrain",
        "augment",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=8,
)
PATHS = st.sampled_from(
    [(key,) for key in yaml.safe_load(DEPTHCONV)] + [("training", key) for key in ("loss", "seed", "lr")]
)


@given(st.lists(st.tuples(PATHS, VALUES), min_size=1, max_size=3))
@example([(("network",), None)])
@example([(("data",), None)])
@example([(("expect",), None)])
def test_any_value_at_any_key_loads_or_is_refused(changes: list[tuple[tuple[str, ...], object]]) -> None:
    document = parse_document(DEPTHCONV, file=Path("s.yaml"))
    for path, value in changes:
        at = document.root
        for key in path[:-1]:
            at = at[key] if isinstance(at.get(key), dict) else at
        at[path[-1]] = value
    try:
        check_document(document)
    except ScenarioError as error:
        assert error.line is not None
