# SPDX-License-Identifier: Apache-2.0
"""The DepthConv poster: figures 6 and 7, table 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from frame import Block, Picture, Reproduction, Results, Table, grouped, mean_and_deviation
from torch_training import train_in_torch

from trainbed.assets import asset_path
from trainbed.network.layers import Activation, Network
from trainbed.prepare import prepare
from trainbed.result import Result
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario

SEEDS = (1, 2, 3, 4, 5)
NETS = ("conv", "depthconv")
_SCENARIOS = {"conv": "conv2d.yaml", "depthconv": "depthconv.yaml"}
_PICTURES = ("reproduction-poster-figure-6.png", "reproduction-poster-figure-7.png")


def measure(folder: Path) -> dict[str, Any]:
    """Both nets on the emulated board over the seeds, and with the first seed in PyTorch."""
    nets: dict[str, Any] = {}
    versions: dict[str, str] = {}
    for net in NETS:
        path = asset_path("scenarios") / _SCENARIOS[net]
        runs: list[Result] = []
        for seed in SEEDS:
            run = run_scenario(load_scenario(path, [f"training.seed={seed}"]), out=folder / f"{net}-{seed}")
            assert run.training.accuracy is not None and run.test.accuracy is not None
            runs.append(run)
            print(f"  {net}, seed {seed}: loss {run.training.loss[-1]:.2e}, test {run.test.accuracy:.1%}", flush=True)
        prepared = prepare(load_scenario(path, [f"training.seed={SEEDS[0]}"]))
        torch = train_in_torch(prepared)
        first = runs[0]
        nets[net] = {
            "parameter_bytes": first.model.parameter_bytes,
            "macs_forward": first.model.macs_forward,
            "training_bytes": first.memory.training_bytes,
            "aifes_training_bytes": aifes_training_bytes(prepared.network, batch=8),
            "cycles_per_sample": first.cost.cycles_per_sample.total,
            "cost_model": first.cost.model,
            "test_accuracy": {str(seed): run.test.accuracy for seed, run in zip(SEEDS, runs, strict=True)},
            "loss": {str(seed): list(run.training.loss) for seed, run in zip(SEEDS, runs, strict=True)},
            "matches_twin": all(
                expectation.passed
                for run in runs
                for expectation in run.expectations
                if expectation.name == "matches_reference"
            ),
            "torch": None if torch is None else {"loss": torch.loss, "test_accuracy": torch.test_accuracy},
        }
        versions |= first.versions | ({} if torch is None else {"torch": torch.version})
    return {"board": "arduino_nano_33_ble", "batch": 8, "nets": nets, "versions": versions}


def aifes_training_bytes(network: Network, *, batch: int) -> int:
    """Training memory as the published figure counts it, for a 32-bit target.

    The results of all layers for a whole batch, the input's and each activation's included (flatten has none of its
    own); for each parameter tensor its gradient and two moments, each with a descriptor of 20 bytes; one scratch tensor
    as large as the largest parameter tensor. Errors lie over results.
    """
    height, width, channels = network.input_shape
    results = 4 * batch * height * width * channels
    state, largest = 0, 0
    for layer in network.layers:
        if not layer.has_weights:
            continue
        results += 4 * batch * layer.out_size
        if layer.activation is not Activation.NONE:
            results += 4 * batch * layer.out_size
        for count in (layer.n_weights, layer.n_biases):
            state += (20 + 4 * count) + (2 * 20 + 8 * count)
            largest = max(largest, 4 * count)
    return results + state + largest


def section(published: Mapping[str, Any], results: Results) -> Sequence[Block]:
    """The poster's table 1, then what its figures show."""
    figures, nets = published["figures"], results["nets"]
    with_torch = all(nets[net]["torch"] is not None for net in NETS)
    memory = Table(
        (
            "table 1",
            "parameters, published",
            "obtained",
            "training memory, published",
            "counted the published way",
            "trainbed's plan",
            "cycles per sample",
        ),
        tuple(
            (
                figures[net]["architecture"],
                f"{grouped(figures[net]['parameter_bytes'])} B",
                f"{grouped(nets[net]['parameter_bytes'])} B",
                f"{grouped(figures[net]['training_bytes'])} B",
                f"{grouped(nets[net]['aifes_training_bytes'])} B",
                f"{grouped(nets[net]['training_bytes'])} B",
                grouped(nets[net]["cycles_per_sample"]),
            )
            for net in NETS
        ),
    )
    ratios = [figures[net]["training_bytes"] / nets[net]["training_bytes"] for net in NETS]
    same = all(nets[net]["aifes_training_bytes"] == figures[net]["training_bytes"] for net in NETS)
    accounting = (
        "*Counted the published way*: results of a whole batch of 8 with each activation a tensor of its own, "
        "gradients and Adam's moments with their descriptors, one scratch tensor. "
        + ("It meets the published figures to the byte: the nets are the poster's. " if same else "")
        + f"trainbed's plan needs {ratios[0]:.1f} and {ratios[1]:.1f} times less for the same mathematics: one "
        "sample at a time, activations in place, errors over values that nobody reads any more."
    )
    curves = Table(
        ("figures 6 and 7", *(figures[net]["architecture"] for net in NETS)),
        (
            *_curve_rows(nets, "trainbed, seed 1", lambda net: nets[net]["loss"]["1"]),
            *(_curve_rows(nets, "PyTorch, seed 1", lambda net: nets[net]["torch"]["loss"]) if with_torch else ()),
            ("largest difference of the two curves, epochs 1 to 10", *(_apart(nets[net], 10) for net in NETS)),
            ("largest difference, all epochs", *(_apart(nets[net], None) for net in NETS)),
            (f"test accuracy, seeds {SEEDS[0]} to {SEEDS[-1]}", *(_accuracy(nets[net]) for net in NETS)),
            (
                "test accuracy, PyTorch, seed 1",
                *(f"{nets[net]['torch']['test_accuracy']:.1%}" if with_torch else "-" for net in NETS),
            ),
            ("weights equal the twin's to the bit, all seeds", *(_yes(nets[net]["matches_twin"]) for net in NETS)),
        ),
    )
    torch = (
        "PyTorch starts from the same weights and sees the same samples in the same order, with Adam as Keras writes "
        "it (epsilon added to the uncorrected square root). It sums in another order, so the curves part in the last "
        "bits and, as training goes on, visibly."
        if with_torch
        else "PyTorch was not installed when this was measured: its rows are empty. Install torch and measure again."
    )
    return (
        memory,
        accounting,
        Picture(_PICTURES[0], "Loss over the epochs of the depthwise net, trainbed and PyTorch"),
        Picture(_PICTURES[1], "Loss over the epochs of both nets, five seeds each"),
        curves,
        torch,
    )


def _curve_rows(nets: Mapping[str, Any], who: str, losses: Any) -> list[tuple[str, ...]]:
    return [
        (f"loss of epoch 1, {who}", *(f"{losses(net)[0]:.5f}" for net in NETS)),
        (f"loss of epoch {len(losses(NETS[0]))}, {who}", *(f"{losses(net)[-1]:.2e}" for net in NETS)),
    ]


def _apart(net: Mapping[str, Any], epochs: int | None) -> str:
    if net["torch"] is None:
        return "-"
    ours, theirs = net["loss"]["1"][:epochs], net["torch"]["loss"][:epochs]
    return f"{max(abs(a - b) for a, b in zip(ours, theirs, strict=True)):.1e}"


def _accuracy(net: Mapping[str, Any]) -> str:
    mean, deviation = mean_and_deviation(list(net["test_accuracy"].values()))
    return f"{mean:.1%} ± {deviation:.1%}"


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def draw(published: Mapping[str, Any], results: Results, images: Path) -> None:
    """Figures 6 and 7."""
    from trainbed.report.drawing import HALF, colour, new_drawing, style, to_png

    nets = results["nets"]
    with style():
        six = new_drawing("figure-6", "", width=HALF * 1.3, height=3.4)
        axes = six.figure.add_subplot(title="Figure 6: loss of the depthwise net, on the board and in PyTorch")
        axes.plot(
            _epochs(nets["depthconv"]["loss"]["1"]), nets["depthconv"]["loss"]["1"], color=colour(0), label="trainbed"
        )
        if nets["depthconv"]["torch"] is not None:
            torch = nets["depthconv"]["torch"]["loss"]
            axes.plot(_epochs(torch), torch, color=colour(1), linestyle=(0, (4, 2)), label="PyTorch, Adam as in Keras")
        _finish(axes)
        seven = new_drawing("figure-7", "", width=HALF * 1.3, height=3.4)
        axes = seven.figure.add_subplot(title="Figure 7: loss of both nets, five seeds each")
        for index, net in enumerate(NETS):
            for seed, losses in nets[net]["loss"].items():
                label = published["figures"][net]["architecture"] if seed == "1" else None
                axes.plot(_epochs(losses), losses, color=colour(index), lw=1.0, alpha=0.75, label=label)
        _finish(axes)
        for drawing, file in zip((six, seven), _PICTURES, strict=True):
            (images / file).write_bytes(to_png(drawing))


def _epochs(losses: Sequence[float]) -> range:
    return range(1, len(losses) + 1)


def _finish(axes: Any) -> None:
    axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel("mean loss of the epoch")
    axes.legend()


REPRODUCTION = Reproduction("DepthConv poster (AIfES)", measure, section, draw)
