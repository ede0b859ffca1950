# SPDX-License-Identifier: Apache-2.0
"""docs/reproductions.md: generated from result files, never typed."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

from benchmark_scripts import BENCHMARKS, benchmark_script
from trainbed.assets import asset_path
from trainbed.prepare import prepare
from trainbed.scenario.loader import load_scenario

FOLDER = BENCHMARKS / "reproductions"
atmega4809_models, frame, poster = (
    benchmark_script("reproductions", name) for name in ("atmega4809_models", "frame", "poster")
)


def test_the_page_is_what_the_result_files_make_it(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update"):
        frame.PAGE.write_text(frame.page(), encoding="utf-8")
    assert frame.PAGE.read_text(encoding="utf-8") == frame.page()


def test_every_reproduction_has_published_figures_results_and_its_pictures() -> None:
    assert "poster" in frame.names()
    for name in frame.names():
        reproduction, given, obtained = frame.load(name), frame.published(name), frame.results(name)
        assert obtained is not None, f"make reproduce-{name} has not been run"
        pictures = [block for block in reproduction.section(given, obtained) if isinstance(block, frame.Picture)]
        assert all((frame.IMAGES / picture.file).stat().st_size < 300_000 for picture in pictures)


@pytest.mark.parametrize("net", ["conv", "depthconv"])
def test_the_published_training_memory_is_accounted_for_to_the_byte(net: str) -> None:
    scenario = {"conv": "conv2d.yaml", "depthconv": "depthconv.yaml"}[net]
    network = prepare(load_scenario(asset_path("scenarios") / scenario)).network
    figures = frame.published("poster")["figures"][net]
    assert poster.aifes_training_bytes(network, batch=8) == figures["training_bytes"]
    assert 4 * network.n_parameters == figures["parameter_bytes"]


def test_a_zero_is_shorter_in_nnoms_header_and_no_schedule_falls() -> None:
    assert atmega4809_models.header_bytes(np.array([0, 7, -127], np.int8)) == len("0, 7, -127, ")
    pruned = (frame.results("atmega4809_models") or {})["pruned"]
    assert len(pruned) >= 9
    for found in pruned:
        assert found["initial"] <= found["final"]
        assert found["sparsity"] == pytest.approx(found["final"], abs=0.01)


def test_without_pytorch_its_rows_are_dashes() -> None:
    given, obtained = frame.published("poster"), copy.deepcopy(dict(frame.results("poster") or {}))
    for net in obtained["nets"].values():
        net["torch"] = None
    blocks = poster.section(given, obtained)
    curves = blocks[-2]
    assert isinstance(curves, frame.Table)
    rows = {row[0]: row[1:] for row in curves.rows}
    assert rows["test accuracy, PyTorch, seed 1"] == ("-", "-")
    assert not [name for name in rows if name.startswith("loss of epoch") and "PyTorch" in name]
    assert "not installed" in str(blocks[-1])


def test_a_changed_result_changes_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("published", "results"):
        (tmp_path / folder).mkdir()
        for path in (FOLDER / folder).iterdir():
            text = path.read_text(encoding="utf-8").replace('"training_bytes": 9720', '"training_bytes": 9712')
            (tmp_path / folder / path.name).write_text(text, encoding="utf-8")
    before = frame.page()
    monkeypatch.setattr(frame, "HERE", tmp_path)
    assert "9 720 B" in before and "9 712 B" not in before
    assert "9 712 B" in frame.page() and "9 720 B" not in frame.page()
