# SPDX-License-Identifier: Apache-2.0
"""Tables and figure of docs/search.md: made from the result files of benchmarks/search, never typed."""

from __future__ import annotations

import json
from types import ModuleType

import pytest

from benchmark_scripts import benchmark_script


@pytest.fixture(scope="module")
def search() -> ModuleType:
    return benchmark_script("search", "run")


def test_the_document_is_what_the_result_files_make_it(search: ModuleType) -> None:
    document = (search.DOCS / search.DOCUMENT).read_text(encoding="utf-8")
    assert search.rendered(document) == (document, (search.DOCS / search.FIGURE).read_text(encoding="utf-8"))


def test_a_hundred_networks_were_trained_and_some_within_the_limits_dominate_each_hand_made_one(
    search: ModuleType,
) -> None:
    rows = search.read(search.RESULTS / "search.csv")
    assert len(rows) == 100 == len({row["key"] for row in rows})
    networks = search.read(search.RESULTS / "compared.csv")
    hands = [row for row in networks if row["kind"] == "hand"]
    front = [row for row in networks if row["kind"] == "front"]
    assert len(front) == [row["search.front"] for row in rows].count("true")
    assert all(int(row["memory.ram_bytes"]) <= 65536 for row in front)
    for name in ("digits_mlp", "digits_cnn"):
        assert any(name in search.beaten(row, hands) for row in front), name


def test_what_dominates_is_decided_by_seeds_the_search_did_not_choose_by(search: ModuleType) -> None:
    searched = json.loads(search.read(search.RESULTS / "search.csv")[0]["averaged.seeds"])
    assert not set(searched) & set(search.SEEDS)
    hand = {
        "network": "hand",
        "seed 1": "0.98",
        "seed 11": "0.9",
        "memory.ram_bytes": "100",
        "memory.flash_bytes": "10",
        "cost.cycles_per_sample.total": "1000.5",
    }
    assert search.beaten(hand, [hand]) == ""
    assert search.beaten({**hand, "memory.ram_bytes": "99"}, [hand]) == "hand (flash, too)"
    assert search.beaten({**hand, "memory.ram_bytes": "99", "memory.flash_bytes": "11"}, [hand]) == "hand"
    assert search.beaten({**hand, "memory.ram_bytes": "99", "seed 1": "0.97", "seed 11": "1"}, [hand]) == ""
