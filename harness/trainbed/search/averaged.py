# SPDX-License-Identifier: Apache-2.0
"""A network judged by several trainings in place of one: accuracy as their mean, cost from an epoch on the board.

One training decides by luck, too: a search would choose lucky weights rather than good networks. The host build has
the bits of every 32-bit board, so that a network trains there in a fraction of the time; what a sample costs does not
depend on how many epochs there are.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainbed.scenario.document import Document
from trainbed.scenario.overrides import set_value
from trainbed.sweep.base import copy_of
from trainbed.sweep.job import once


@dataclass(frozen=True)
class Averaged:
    """Carries out a network's runs. ``seeds``: of weights, order and split; ``board``: where they are trained."""

    seeds: tuple[int, ...]
    board: str

    def counted(self, document: Document) -> Document:
        """The scenario of the run that is counted: an epoch on the scenario's board."""
        return _changed(document, {"training.epochs": 1, "expect": {}})

    def trained(self, document: Document, seed: int) -> Document:
        """The scenario of a training to its end."""
        return _changed(
            document, {"board": self.board, "backend": "auto", "training.seed": seed, "expect": {}, "budget": {}}
        )

    def __call__(self, document: Document, keep: Path | None) -> dict[str, Any]:
        """Values of a result: memory and cost are those of the counted run, ``test`` the mean over the seeds.

        ``averaged`` holds the accuracy of each seed; training and weights are the first one's.
        """
        results = [once(self.trained(document, seed), None) for seed in self.seeds]
        counted = once(self.counted(document), keep)
        return {
            **counted,
            "training": results[0]["training"],
            "test": {name: _mean([one["test"][name] for one in results]) for name in counted["test"]},
            "weights": results[0]["weights"],
            "averaged": {
                "seeds": list(self.seeds),
                "accuracy": [one["test"]["accuracy"] for one in results],
            },
        }


def _changed(document: Document, values: Mapping[str, Any]) -> Document:
    changed = copy_of(document)
    for dotted, value in values.items():
        set_value(changed, dotted, value, origin="averaged")
    return changed


def _mean(values: Sequence[float | None]) -> float | None:
    """None where one of them is not there: nothing was tested, or the loss was not finite."""
    there = [value for value in values if value is not None]
    return statistics.fmean(there) if len(there) == len(values) else None
