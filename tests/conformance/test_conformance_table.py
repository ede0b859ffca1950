# SPDX-License-Identifier: Apache-2.0
"""The conformance table of docs/fidelity.md: the one of the kept results, each departure with its reason."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest

from benchmark_scripts import benchmark_script


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return benchmark_script("conformance", "run")


@pytest.fixture
def kept(script: ModuleType) -> dict[str, Any]:
    results: dict[str, Any] = json.loads(script.RESULTS.read_text())
    return results


def test_the_table_in_the_documentation_is_the_one_of_the_kept_results(
    script: ModuleType, kept: dict[str, Any]
) -> None:
    text = script.DOCUMENT.read_text(encoding="utf-8")
    assert script.document(text, script.table(kept)) == text, "run `make conformance`"


def test_every_departure_from_the_twin_has_its_reason(script: ModuleType, kept: dict[str, Any]) -> None:
    for key, runs in kept["runs"].items():
        for name, run in runs.items():
            where = f"{name} on {key}"
            assert name in script.NETWORKS, where
            assert run.get("ulp", 0) == 0 or script.reason(run["precision"], key), where


def test_a_result_that_is_not_the_twins_shows_with_its_distance(
    script: ModuleType, kept: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "DEPARTURES", (("float32", "unicorn/*", "because"), ("*", "*", "why")))
    kept["runs"]["unicorn/arduino_nano_33_ble"]["wide"] = {"ulp": 3, "precision": "float32"}
    table = script.table(kept)
    assert "| 3 |" in table
    assert "- float32 on unicorn, `arduino_nano_33_ble`: because" in table
    assert table != script.table(json.loads(script.RESULTS.read_text()))
