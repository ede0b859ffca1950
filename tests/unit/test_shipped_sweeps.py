# SPDX-License-Identifier: Apache-2.0
"""Every shipped sweep and search can be begun, or says at its line which key this version does not do yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainbed.assets import asset_path
from trainbed.errors import ScenarioError
from trainbed.scenario.find import find_scenario
from trainbed.search.study import load_search
from trainbed.sweep.loader import load_sweep


def shipped(folder: str) -> list[Path]:
    return sorted((asset_path("scenarios") / folder).glob("*.yaml"))


@pytest.mark.parametrize("path", shipped("sweep"), ids=lambda path: path.stem)
def test_a_shipped_sweep_can_be_begun(path: Path) -> None:
    pytest.importorskip("unicorn")
    assert find_scenario(path.stem, "sweep") == path
    assert len(load_sweep(path).jobs) >= 2


@pytest.mark.parametrize("path", shipped("search"), ids=lambda path: path.stem)
def test_a_shipped_search_can_be_begun_or_names_the_key_it_waits_for(path: Path) -> None:
    assert find_scenario(path.stem, "search") == path
    try:
        search = load_search(path)
    except ScenarioError as refused:
        assert path.stem == "deep_compression"  # needs keys that come with quantised training and pruning
        assert "is not available in this version" in refused.reason
        assert refused.line is not None
        assert refused.file == path
    else:
        assert len(search.space.dimensions) >= 5
