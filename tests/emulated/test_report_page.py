# SPDX-License-Identifier: Apache-2.0
"""What a run keeps for the report, and the report as a browser shows it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from browser import INSTALL, Browser, chromium
from small_scenario import SCENARIO
from trainbed.codegen.model import operations_of
from trainbed.prepare import prepare
from trainbed.report.costs import layer_costs
from trainbed.report.page import write_report
from trainbed.report.sources import Run, read_run, read_source, read_sources
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario

PLOTS_OF_A_RUN = {"loss", "accuracy", "phases", "ram", "layers-0", "arena-0", "flash-0"}
PLOTS_OF_A_SWEEP = {
    "sweep0-test-accuracy-over-memory-ram-bytes",
    "sweep0-test-accuracy-by-training-epochs",
    "sweep0-memory-ram-bytes-by-training-epochs",
}
PLOTS = PLOTS_OF_A_RUN | PLOTS_OF_A_SWEEP
SWEEP = "axes.training.epochs,status,test.accuracy,memory.ram_bytes\n5,passed,0.8,9000\n9,failed,0.9,9100\n"
TWO_MEGABYTES = 2 << 20

needs_browser = pytest.mark.skipif(chromium() is None, reason=f"no Chromium to open the report in; {INSTALL}")


def a_run(folder: Path) -> Run:
    folder.mkdir()
    (folder / "scenario.yaml").write_text(SCENARIO, encoding="utf-8")
    run_scenario(load_scenario(folder / "scenario.yaml"), out=folder / "run")
    return read_run(folder / "run")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return a_run(tmp_path_factory.mktemp("report") / "once")


@pytest.fixture(scope="module")
def page(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    (folder / "results.csv").write_text(SWEEP, encoding="utf-8")
    return write_report([run, read_source(folder, "a sweep")], folder / "report")


def test_the_profile_adds_up_to_the_phases_to_the_cycle(run: Run) -> None:
    assert run.profile is not None
    phases = [run.profile["phases"][phase] for phase in ("forward", "backward", "update")]
    for count in ("cycles", "instructions"):
        assert sum(phase[count] for phase in phases) > 10_000
        assert sum(function[count] for function in run.profile["functions"]) == sum(phase[count] for phase in phases)
    # A cache line that is on its way where the phase changes is charged to either side.
    memory = sum(phase["memory_cycles"] for phase in phases)
    assert sum(function["memory_cycles"] for function in run.profile["functions"]) == pytest.approx(memory, rel=2e-3)


def test_layers_optimizer_and_runtime_add_up_to_the_cycles_per_sample(run: Run) -> None:
    costs = {cost.layer: cost for cost in layer_costs(run)}
    assert set(costs) == {"depthwise_conv2d_1", "dense_1", "optimizer", "runtime"}
    assert set(costs["dense_1"].counts) == {"forward", "backward weights", "backward input"}
    assert sum(cost.total for cost in costs.values()) == pytest.approx(run.result.cost.cycles_per_sample.total)
    assert costs["runtime"].total < 0.1 * costs["dense_1"].total


def test_layers_of_one_shape_share_the_cycles_of_their_function(run: Run, tmp_path: Path) -> None:
    layers = "[{dense: {units: 6}}, {dense: {units: 6}}, {dense: {units: 6}}, {dense: {units: 1, activation: sigmoid}}]"
    (tmp_path / "scenario.yaml").write_text(SCENARIO, encoding="utf-8")
    scenario = load_scenario(tmp_path / "scenario.yaml", [f"network={{input: [192], layers: {layers}}}"])
    verb, served = operations_of(prepare(scenario).plan)["dense_2_forward"]
    assert (verb, served) == ("forward", ("dense_2", "dense_3"))
    names = [{"name": name, "macs": 36} for name in served]
    function = {"name": "f", "operation": verb, "layers": served, "cycles": 500, "memory_cycles": 0, "instructions": 9}
    shared = replace(run, plan={"network": {"layers": names}}, profile={"samples": 10, "functions": [function]})
    assert [(cost.layer, cost.counts) for cost in layer_costs(shared)] == [
        ("dense_2", {"forward": 25.0}),
        ("dense_3", {"forward": 25.0}),
    ]


def test_ram_and_flash_add_up_to_the_result(run: Run) -> None:
    assert run.plan is not None
    assert sum(run.plan["ram"].values()) == run.result.memory.ram_bytes
    flash = run.plan["flash"]
    assert sum(symbol["bytes"] for symbol in flash["symbols"]) + flash["rest"] == run.result.memory.flash_bytes
    assert flash["rest"] >= 0
    kinds = {symbol["name"]: symbol["kind"] for symbol in flash["symbols"]}
    assert kinds["dense_1_forward"] == "network" and kinds["trn_app_handle"] == "code"


def test_every_tensor_lies_within_the_arena_and_the_step(run: Run) -> None:
    assert run.plan is not None
    arena, last = run.plan["arena"], len(run.plan["operations"]) - 1
    tensors = {(slot["role"], slot["tensor"]) for storage in arena["storages"] for slot in storage["slots"]}
    assert {("value", "depthwise_conv2d_1"), ("error", "depthwise_conv2d_1"), ("value", "dense_1")} <= tensors
    for storage in arena["storages"]:
        assert 0 <= storage["offset"] <= storage["offset"] + storage["bytes"] <= arena["bytes"]
        for slot in storage["slots"]:
            assert storage["first"] <= slot["first"] <= slot["last"] <= storage["last"] <= last


def test_the_same_run_keeps_the_same_bytes_and_draws_the_same_page(run: Run, page: Path, tmp_path: Path) -> None:
    again = a_run(tmp_path / "once")
    for name in ("plan.json", "profile.json"):
        assert (again.path / name).read_bytes() == (run.path / name).read_bytes()
    sources = [run, read_source(page.parents[1], "a sweep")]
    assert write_report(sources, tmp_path / "page", files=False).read_bytes() == page.read_bytes()


def test_each_drawing_is_beside_the_page_as_svg_and_png(page: Path) -> None:
    files = {path.name for path in (page.parent / "figures").iterdir()}
    assert files == {f"{name}.{kind}" for name in PLOTS for kind in ("svg", "png")}
    assert all((page.parent / "figures" / f"{name}.png").read_bytes()[:4] == b"\x89PNG" for name in PLOTS)
    assert page.stat().st_size < TWO_MEGABYTES


@needs_browser
def test_a_browser_shows_every_plot_without_an_error_and_without_network(page: Path, tmp_path: Path) -> None:
    with Browser(tmp_path / "profile") as browser:
        browser.open(page)
        sizes = json.loads(
            browser.evaluate(
                "JSON.stringify(Object.fromEntries([...document.querySelectorAll('figure')].map(f => [f.id,"
                " [f.querySelector('svg').getBoundingClientRect().width, f.querySelectorAll('path').length]])))"
            )
        )
        assert set(sizes) == {f"plot-{name}" for name in PLOTS}
        assert all(width > 300 and paths > 5 for width, paths in sizes.values()), sizes
        overflow = browser.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow == 0
        light = browser.evaluate("getComputedStyle(document.body).backgroundColor")
        browser.evaluate("document.getElementById('theme').click()")
        assert browser.evaluate("getComputedStyle(document.body).backgroundColor") != light
        assert browser.messages == []
        assert browser.requests == [page.resolve().as_uri()]


@needs_browser
def test_a_page_that_breaks_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "broken.html"
    page.write_text("<img src='missing.png'><script>nobody.knows()</script>", encoding="utf-8")
    with Browser(tmp_path / "profile") as browser:
        browser.open(page)
        assert any("nobody is not defined" in message for message in browser.messages)
        assert (tmp_path / "missing.png").resolve().as_uri() in browser.requests


def test_runs_of_several_folders_stand_side_by_side(run: Run, tmp_path: Path) -> None:
    for folder in ("before", "after"):
        shutil.copytree(run.path, tmp_path / folder / "run")
    (tmp_path / "after" / "run" / "profile.json").unlink()
    sources = read_sources([tmp_path / "before" / "run", tmp_path / "after" / "run"])
    text = write_report(sources, tmp_path / "page", files=False).read_text(encoding="utf-8")
    assert [source.label for source in sources] == ["before/run", "after/run"]
    assert all(f'id="plot-{name}"' in text for name in ("loss", "layers-0", "arena-0", "arena-1", "flash-1"))
    assert 'id="plot-layers-1"' not in text
    assert text.count(run.result.firmware.sha256) == 2
