# SPDX-License-Identifier: Apache-2.0
"""Tables and figure of docs/search.md: made from the result files of benchmarks/search, never typed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "search"


@pytest.fixture(scope="module")
def search() -> Any:
    """benchmarks/search/run.py."""
    sys.path.append(str(FOLDER))
    spec = importlib.util.spec_from_file_location("benchmarks_search", FOLDER / "run.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_document_is_what_the_result_files_make_it(search: Any) -> None:
    document = (search.DOCS / search.DOCUMENT).read_text(encoding="utf-8")
    assert search.rendered(document) == (document, (search.DOCS / search.FIGURE).read_text(encoding="utf-8"))


def test_a_hundred_networks_were_trained_within_the_limits_and_some_dominate_a_hand_made_one(search: Any) -> None:
    rows = search.read(search.RESULTS / "search.csv")
    assert len(rows) == 100 == len({row["key"] for row in rows})
    front = [row for row in rows if row["search.front"] == "true"]
    assert all(int(row["memory.ram_bytes"]) <= 65536 for row in front)
    assert any(search.dominates(row, hand) for row in front for hand in search.read(search.RESULTS / "hand.csv"))


def test_to_dominate_is_to_be_nowhere_worse_and_somewhere_better(search: Any) -> None:
    hand = {"test.accuracy": "0.98", "memory.ram_bytes": "100", "cost.cycles_per_sample.total": "1000.5"}
    assert not search.dominates(hand, hand)
    assert search.dominates({**hand, "memory.ram_bytes": "99"}, hand)
    assert not search.dominates({**hand, "memory.ram_bytes": "99", "test.accuracy": "0.97"}, hand)
