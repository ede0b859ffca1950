# SPDX-License-Identifier: Apache-2.0
"""Runs what has not been measured yet, and keeps every outcome at once in results/."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import costs
import sets

from trainbed.backends.registry import availability
from trainbed.errors import TrainbedError
from trainbed.sweep.command import tool_versions, write_json

HERE = Path(__file__).resolve().parent


def kept(part: str) -> dict[str, Any]:
    """What has been measured so far of accuracy or costs: outcomes by their names."""
    path = HERE / "results" / f"{part}.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return content


def measure(names: Sequence[str], *, seeds: int, with_costs: bool, again: bool) -> None:
    """Run what is missing, keeping each outcome at once."""
    if with_costs:
        for case in costs.CASES:
            _keep("costs", case.key, functools.partial(costs.measure, case), again=again)
    for seed in range(1, seeds + 1):
        for name in names:
            for variant in sets.VARIANTS:
                run = functools.partial(sets.train, name, variant, seed)
                _keep("accuracy", f"{name}/{variant}/{seed}", run, again=again)


def _keep(part: str, key: str, run: Callable[[], dict[str, Any]], *, again: bool) -> None:
    if key in kept(part) and not again:
        return
    try:
        outcome = run()
    except TrainbedError as error:
        print(f"{key}: {error}", flush=True)
        return
    versions = {**tool_versions(), "unicorn": availability("unicorn").version}
    write_json(HERE / "results" / f"{part}.json", {**kept(part), key: {**outcome, "versions": versions}})
    print(f"{key}: {outcome.get('accuracy', outcome.get('cycles'))}", flush=True)
