# SPDX-License-Identifier: Apache-2.0
"""A search step by step: a batch of candidates, most of them dropped unbuilt, the rest trained, all told to the
sampler.

Batches have the size the file says, whatever the number of workers, and are told in the order they were asked for: the
search is the same on one core, on a cluster, and after it was stopped. Going on with a stopped search is going through
it again, with the journal's outcomes in place of runs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainbed.errors import InputError, ScenarioError
from trainbed.scenario.document import Document, read_document
from trainbed.scenario.loader import check_document
from trainbed.scenario.wording import did_you_mean
from trainbed.search.averaged import Averaged
from trainbed.search.candidate import AGAIN, Candidate, examine, excess, pick
from trainbed.search.front import Point
from trainbed.search.sampler import Sampler
from trainbed.search.schema import SearchKeys
from trainbed.search.space import Choice, Dimension, Space, Values
from trainbed.sweep.base import base_document, put
from trainbed.sweep.job import Job, Outcome, once
from trainbed.sweep.loader import read_keys

_LOOKED_AT = 100
"""Scenarios of the space that are checked against the schema before the search begins."""
_PATIENCE = 25
"""Batches in a row without a network to train, then the space is given up."""

NUMBERS = (
    "model.parameters",
    "model.parameter_bytes",
    "model.macs_forward",
    "memory.training_bytes",
    "memory.flash_bytes",
    "memory.ram_bytes",
    "memory.stack_bytes",
    "memory.stack_bound_bytes",
    "test.accuracy",
    "test.loss",
    *(
        f"cost.{count}_per_sample.{phase}"
        for count in ("cycles", "memory_cycles", "instructions")
        for phase in ("forward", "backward", "update", "total")
    ),
    "cost.energy_uj_per_sample",
)
"""Key paths of a result an objective or a limit may name."""

Train = Callable[[Sequence[Job]], Mapping[str, Outcome]]
"""Carries out jobs; key -> outcome."""


@dataclass(frozen=True)
class Trial:
    """A network that was trained. ``gains``: see front; ``violation``: of the limits; both None without a result."""

    candidate: Candidate
    job: Job
    outcome: Outcome
    values: tuple[float, ...] | None
    gains: Point | None
    violation: float

    @property
    def feasible(self) -> bool:
        """It has a result, within the limits."""
        return self.gains is not None and self.violation == 0.0


@dataclass
class Search:
    """A search's file, checked."""

    keys: SearchKeys
    file: Path
    document: Document
    base: Document
    space: Space
    averaged: Averaged | None = None
    candidates: list[Candidate] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)

    def run(self, train: Train) -> None:
        """Search until as many networks as the file says were trained. Raises InputError when the space is empty."""
        keys = self.keys
        sampler = Sampler(
            keys.sampler,
            seed=keys.seed,
            population=keys.batch,
            dimensions=self.space.dimensions,
            objectives=keys.objectives,
        )
        known: dict[str, Trial] = {}
        barren = 0
        while len(self.trials) < keys.trials:
            asked = [sampler.ask() for _ in range(keys.batch * keys.proxy.candidates)]
            batch = self._examined([values for _, values in asked], known)
            pick(batch, min(keys.batch, keys.trials - len(self.trials)), keys.proxy)
            first = len(self.trials)
            chosen = [candidate for candidate in batch if candidate.open]
            run = self.averaged or once
            jobs = [Job(first + n, one.key, one.used, one.document, run=run) for n, one in enumerate(chosen)]
            outcomes = train(jobs)
            for candidate, job in zip(chosen, jobs, strict=True):
                trial = self._judged(candidate, job, outcomes[job.key])
                known[candidate.key] = trial
                self.trials.append(trial)
            for (handle, _), candidate in zip(asked, batch, strict=True):
                self._tell(sampler, handle, candidate, known)
            self.candidates += batch
            barren = 0 if chosen else barren + 1
            if barren == _PATIENCE:
                raise InputError(
                    f"{len(self.trials)} of {keys.trials} networks were found: {_PATIENCE * len(batch)} candidates in "
                    f"a row were known, impossible or too large ({_last_reason(batch)}); widen space or limits"
                )

    def _examined(self, values: Sequence[Values], known: Mapping[str, Trial]) -> list[Candidate]:
        batch: list[Candidate] = []
        keys = set(known)
        for one in values:
            candidate = examine(len(self.candidates) + len(batch), self.space.fill(one), self.keys.limits)
            if candidate.open and candidate.key in keys:
                candidate.fate = AGAIN
            keys.add(candidate.key)
            batch.append(candidate)
        return batch

    def _judged(self, candidate: Candidate, job: Job, outcome: Outcome) -> Trial:
        result = outcome.result
        values = [number_at(result, path) for path in self.keys.objectives] if result is not None else []
        numbers = tuple(value for value in values if value is not None)
        if result is None or len(numbers) < len(values):
            return Trial(candidate, job, outcome, None, None, 1.0)
        gains = tuple(keys.gain(value) for keys, value in zip(self.keys.objectives.values(), numbers, strict=True))
        beyond = 0.0
        for path, bound in self.keys.limits.items():
            value = number_at(result, path)
            beyond += excess(value, bound) if value is not None else 1.0
        return Trial(candidate, job, outcome, numbers, gains, beyond)

    def _tell(self, sampler: Sampler, handle: Any, candidate: Candidate, known: Mapping[str, Trial]) -> None:
        trial = known.get(candidate.key)
        worst = [keys.worst for keys in self.keys.objectives.values()]
        if trial is not None:
            sampler.tell(handle, trial.values or worst, violation=trial.violation)
        elif candidate.reason:  # too large or impossible: by how much is not known, only that it is
            sampler.tell(handle, worst, violation=1.0)
        else:
            sampler.tell(handle, None)


def load_search(path: Path) -> Search:
    """Read and check a search's file, and many scenarios of its space. Raises ScenarioError naming file and line."""
    document = read_document(path)
    keys: SearchKeys = read_keys(SearchKeys, document, "a search")
    for section in ("objectives", "limits"):
        for name in getattr(keys, section):
            if name not in NUMBERS:
                raise document.error(f"'{name}' is no number of a result{did_you_mean(name, NUMBERS)}", (section, name))
    base = base_document(document)
    for dotted, value in keys.set_.items():
        put(base, dotted, value, source=document, where=("set", dotted))
    space = Space(document, base)
    averaged = Averaged(tuple(keys.averaged.seeds), keys.averaged.board) if keys.averaged is not None else None
    for n, values in enumerate(_spread(space.dimensions, keys.seed)):
        filled = space.fill(values).document
        check_document(filled)
        if averaged is not None and n == 0:
            _check_averaged(averaged, filled, document)
    return Search(keys, path, document, base, space, averaged)


def _check_averaged(averaged: Averaged, filled: Document, document: Document) -> None:
    """Raises ScenarioError where the board of the trainings is not there, or cannot train such a scenario."""
    try:
        check_document(averaged.trained(filled, averaged.seeds[0]))
    except ScenarioError as error:
        raise document.error(error.reason, ("averaged", "board")) from None


def number_at(result: Mapping[str, Any] | None, path: str) -> float | None:
    """The number at a key path of a result; None where there is none."""
    at: Any = result
    for step in path.split("."):
        at = at.get(step) if isinstance(at, Mapping) else None
    return float(at) if isinstance(at, int | float) else None


def _spread(dimensions: Mapping[str, Dimension], seed: int) -> Iterator[Values]:
    """Values all over the space: every alternative in turn, both ends of every range, the rest by lot."""
    generator = random.Random(seed)
    for n in range(_LOOKED_AT):
        values: dict[str, Any] = {}
        for name, dimension in dimensions.items():
            if isinstance(dimension, Choice):
                values[name] = n % dimension.count if n < dimension.count else generator.randrange(dimension.count)
            else:
                values[name] = dimension.low if generator.random() < 0.5 else dimension.high
        yield values


def _last_reason(batch: Sequence[Candidate]) -> str:
    return next((candidate.reason for candidate in reversed(batch) if candidate.reason), "no reason known")
