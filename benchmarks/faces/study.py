# SPDX-License-Identifier: Apache-2.0
"""Ways to train one shipped scenario, over seeds: what each learns and what it costs, kept as soon as it is measured.

Accuracy comes from the native build, whose bits are the board's; bytes and cycles from the emulated part, or its
virtual sibling with 16 MB of RAM where the part is too small, on a few images. The seed chooses images, augmentation,
order and the fresh last layer; the backbone is one and the same, pre-trained once and found in the cache after that.
"""

from __future__ import annotations

import argparse
import json
import statistics
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV

from trainbed.assets import asset_path
from trainbed.link.samples import SampleSet
from trainbed.prepare import prepare
from trainbed.report.interval import wilson
from trainbed.result import Result
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario
from trainbed.scenario.scenario import Scenario

PUBLISHED = (("while training", 21, 50), ("test", 8, 10))
"""A. Zhao and J. Ocampo, On-Device Augmented Image Training .. utilizing the TinyEngine Library: right, of how many."""
PART, SIBLING = "stm32f746g_disco", "stm32f746g_disco_16mb"
LEARNED = "balanced accuracy, mean % | each seed | while training %"
COSTS = "on the | RAM B | training B | flash B | forward | backward | update | cycles/step"


@dataclass(frozen=True)
class Way:
    """A way to train: its name in the table, what it changes in the scenario, the board its costs are of."""

    name: str
    sets: tuple[str, ...] = ()
    board: str = PART


class Journal:
    """What was measured, by key; each kept as soon as it is there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.kept = self._read()

    def keep(self, key: str, value: Any) -> None:
        """Remember, print and save, beside what other processes have saved meanwhile."""
        self.kept = self._read() | {key: value}
        self._path.write_text(json.dumps(self.kept, indent=1, sort_keys=True) + "\n")
        print(key, value, flush=True)

    def _read(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._path.read_text()) if self._path.exists() else {}
        return found


@dataclass(frozen=True)
class Study:
    """A shipped scenario and the ways to train it; ``few``: changes that leave the few images its costs are of."""

    scenario: str
    ways: Mapping[str, Way]
    few: tuple[str, ...]
    journal: Journal
    optimize: str = "O1"
    """Of the native build: no bit of what it learns depends on it."""

    @property
    def kept(self) -> dict[str, Any]:
        """What was measured so far."""
        return self.journal.kept

    def load(self, way: Way, seed: int, *sets: str) -> Scenario:
        """The scenario of one run, without a contract: the table says what came of it."""
        path = asset_path("scenarios") / f"{self.scenario}.yaml"
        return load_scenario(path, [*way.sets, f"training.seed={seed}", "expect={}", *sets])

    def measure(self, names: Iterable[str], seeds: Sequence[int], *, anew: bool) -> None:
        """What ways learn and cost, where it is not known; ``anew``: what they cost alone, known or not."""
        for name in names:
            if not anew:
                self.learn(name, seeds)
            if anew or f"{name}/costs" not in self.kept:
                self.cost(name)

    def learn(self, name: str, seeds: Iterable[int]) -> None:
        """What a way learns with each seed, natively, where it is not known."""
        for seed in seeds:
            if f"{name}/{seed}" not in self.kept:
                run = self.load(self.ways[name], seed, f"build.optimize={self.optimize}")
                self.journal.keep(f"{name}/{seed}", scores(run_scenario(run, board="native")))

    def cost(self, name: str) -> None:
        """What a way takes on the emulated board, now."""
        way = self.ways[name]
        self.journal.keep(f"{name}/costs", costs(run_scenario(self.load(way, 1, *self.few), board=way.board)))

    def compare(self, seeds: Iterable[int]) -> None:
        """The logistic regressions on each seed's pixels, and how good the backbone is, where it is not known."""
        for seed in seeds:
            if f"regression/{seed}" in self.kept and "backbone" in self.kept:
                continue
            prepared = prepare(self.load(next(iter(self.ways.values())), seed), board="native")
            assert prepared.pretrained is not None
            varied, train = prepared.augmentation, prepared.data.train
            train = varied.epoch(train, 0) if varied is not None else train
            plain, tuned = regressions(train, prepared.data.test)
            self.journal.keep(f"regression/{seed}", plain)
            self.journal.keep(f"regression, tuned/{seed}", tuned)
            self.journal.keep("backbone", prepared.pretrained.record.test_accuracy)

    def balanced(self, name: str, seeds: Sequence[int]) -> float:
        """Mean of a way over seeds."""
        return statistics.mean(self.kept[f"{name}/{seed}"]["balanced"] for seed in seeds)

    def above(self, name: str, seeds: Sequence[int]) -> float:
        """Points that a way is above the logistic regression in the mean."""
        return 100 * (self.balanced(name, seeds) - statistics.mean(self.kept[f"regression/{seed}"] for seed in seeds))

    def tables(self, seeds: Sequence[int]) -> list[str]:
        """Lines of Markdown: the regressions, and every way that was measured over all seeds."""
        pixels = [name for name in ("regression", "regression, tuned") if self._has(name, seeds)]
        lines = ["| on the same pixels | balanced accuracy, mean % | each seed |", "|---|---|---|"] if pixels else []
        lines += [
            f"| logistic {name} | {percent([self.kept[f'{name}/{seed}'] for seed in seeds])} |" for name in pixels
        ]
        lines += [*([""] if pixels else []), f"| way | {LEARNED} | {COSTS} |", f"|{'---|' * 12}"]
        return lines + [
            self._row(name, seeds) for name in self.ways if self._has(name, seeds) and f"{name}/costs" in self.kept
        ]

    def _has(self, name: str, seeds: Sequence[int]) -> bool:
        return all(f"{name}/{seed}" in self.kept for seed in seeds)

    def _row(self, name: str, seeds: Sequence[int]) -> str:
        runs, cost = [self.kept[f"{name}/{seed}"] for seed in seeds], self.kept[f"{name}/costs"]
        running = statistics.mean(run["running"] for run in runs)
        cells = [f"{cost[key]:,}" for key in ("ram", "training", "flash", "forward", "backward", "update", "total")]
        board = "part" if cost["board"] == PART else "16 MB sibling"
        learned = f"{percent([run['balanced'] for run in runs])} | {100 * running:.1f}"
        return f"| {self.ways[name].name} | {learned} | {board} | {' | '.join(cells)} |"


def scores(result: Result) -> dict[str, Any]:
    """What a run learned."""
    running = result.training.accuracy
    return {
        "balanced": result.test.balanced_accuracy,
        "running": running[0] if running else None,
        "weights": result.weights.sha256,
    }


def costs(result: Result) -> dict[str, Any]:
    """What a run on an emulated board took: bytes, and cycles a step."""
    memory, cycles = result.memory, result.cost.cycles_per_sample
    assert cycles is not None
    return {
        "board": result.board,
        "ram": memory.ram_bytes,
        "training": memory.training_bytes,
        "flash": memory.flash_bytes,
        "stack": memory.stack_bytes,
        "forward": round(cycles.forward or 0),
        "backward": round(cycles.backward or 0),
        "update": round(cycles.update or 0),
        "total": round(cycles.total or 0),
        "model": result.cost.model,
        "versions": dict(result.versions),
    }


def regressions(train: SampleSet, test: SampleSet) -> tuple[float, float]:
    """Balanced accuracy of the logistic regression on pixels divided by 255, and with its regularisation chosen by
    five-fold cross-validation on the training images.
    """
    assert len(test) >= 300
    plain = LogisticRegression(max_iter=5000)
    tuned = LogisticRegressionCV(
        Cs=10.0 ** np.arange(-4, 3), cv=5, max_iter=5000, l1_ratios=(0,), use_legacy_attributes=False
    )
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for model in (plain, tuned):
            right = model.fit(train.x / 255.0, train.labels).predict(test.x / 255.0) == test.labels
            found.append(float(np.mean([right[test.labels == label].mean() for label in (0, 1)])))
    return found[0], found[1]


def percent(values: Sequence[float]) -> str:
    """Mean, then each."""
    return f"{100 * statistics.mean(values):.1f} | {', '.join(f'{100 * value:.1f}' for value in values)}"


def published() -> list[str]:
    """Lines of Markdown: what was published, with its interval."""
    lines = ["| published, TinyEngine on the part | right | share | 95 % interval |", "|---|---|---|---|"]
    return lines + [f"| {what} | {share_of(right, n)} |" for what, right, n in PUBLISHED]


def share_of(right: int, n: int) -> str:
    """Cells of a share and its interval."""
    low, high = wilson(right, n)
    return f"{right} of {n} | {100 * right / n:.0f} % | {100 * low:.0f} to {100 * high:.0f} %"


def made_with(cost: Mapping[str, Any]) -> str:
    """Whose cycles they are, and the versions of what made them."""
    versions = "; ".join(f"{name} {version}" for name, version in sorted(cost["versions"].items()))
    return f"Cycles are modelled ({cost['model']}), at zero wait states. {versions}."


def arguments(study: Study, description: str | None) -> argparse.ArgumentParser:
    """The options every study has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ways", nargs="*", metavar="WAY", help=f"of {', '.join(study.ways)}; none: only what is kept")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--costs", action="store_true", help="bytes and cycles of these ways anew, and nothing trained")
    parser.add_argument("--write", action="store_true", help="write the page")
    return parser
