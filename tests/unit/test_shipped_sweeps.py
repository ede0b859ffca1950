# SPDX-License-Identifier: Apache-2.0
"""Every shipped sweep and search can be begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainbed.assets import asset_path
from trainbed.scenario.find import find_scenario
from trainbed.search.study import load_search
from trainbed.sweep.loader import load_sweep

MNIST = asset_path("scenarios").resolve().parents[1] / "shared" / "data" / "mnist.npz"


def shipped(folder: str) -> list[Path]:
    return sorted((asset_path("scenarios") / folder).glob("*.yaml"))


@pytest.mark.parametrize("path", shipped("sweep"), ids=lambda path: path.stem)
def test_a_shipped_sweep_can_be_begun(path: Path) -> None:
    pytest.importorskip("unicorn")
    assert find_scenario(path.stem, "sweep") == path
    if path.stem.startswith("avr_") and not MNIST.is_file():
        pytest.skip(f"{MNIST.name} is not in the folder of data sets beside the checkout")
    assert len(load_sweep(path).jobs) >= 2


@pytest.mark.parametrize("path", shipped("search"), ids=lambda path: path.stem)
def test_a_shipped_search_can_be_begun(path: Path) -> None:
    assert find_scenario(path.stem, "search") == path
    assert len(load_search(path).space.dimensions) >= 5
