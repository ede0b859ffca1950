# SPDX-License-Identifier: Apache-2.0
"""A candidate network: what is known of it before it is built, and what the limits say to that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from trainbed.errors import DoesNotFit, InputError, NetworkError
from trainbed.prepare import Prepared, prepare
from trainbed.scenario.document import Document
from trainbed.scenario.loader import check_document
from trainbed.scenario.schema import Bound
from trainbed.search.front import Point, choose
from trainbed.search.proxies import ranks, score
from trainbed.search.schema import ProxyKeys
from trainbed.search.space import Filled
from trainbed.sweep.job import run_key

CHOSEN, AGAIN, TOO_LARGE, IMPOSSIBLE, PASSED_OVER = "trained", "known", "too_large", "impossible", "passed_over"
"""What becomes of a candidate. Only the chosen are built."""


@dataclass
class Candidate:
    """One network of the space. ``estimates``: result's key path -> value that is certain before a build."""

    number: int
    key: str
    used: Mapping[str, Any]
    document: Document
    fate: str = CHOSEN
    reason: str = ""
    estimates: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    promise: float = 0.0
    """Mean rank of the scores among the candidates of its batch, 0 to 1."""
    prepared: Prepared | None = None

    @property
    def open(self) -> bool:
        """Nothing speaks against it yet."""
        return self.fate == CHOSEN


def examine(number: int, filled: Filled, limits: Mapping[str, Bound]) -> Candidate:
    """Resolve and plan a network, hold its estimates against the limits; nothing is built.

    Raises InputError for what is wrong in the file rather than in the network.
    """
    candidate = Candidate(number, run_key(filled.document), filled.used, filled.document)
    try:
        scenario = check_document(filled.document)
        prepared = prepare(replace(scenario, pretrain=None))  # training on the host is for those that are chosen
    except InputError as error:
        cause = error.__cause__ if isinstance(error.__cause__, NetworkError | DoesNotFit) else error
        if not isinstance(cause, NetworkError | DoesNotFit):
            raise
        candidate.fate = TOO_LARGE if isinstance(cause, DoesNotFit) else IMPOSSIBLE
        candidate.reason = str(cause)
        return candidate
    candidate.estimates = {
        "memory.ram_bytes": prepared.estimated_ram_bytes - prepared.board.stack_bytes,
        "memory.training_bytes": prepared.plan.training_bytes,
        "model.parameters": prepared.network.n_parameters,
        "model.parameter_bytes": prepared.plan.parameter_bytes,
        "model.macs_forward": prepared.network.macs_forward,
    }
    for path, bound in limits.items():
        value = candidate.estimates.get(path)
        if value is not None and excess(value, bound) > 0:
            candidate.fate = TOO_LARGE
            candidate.reason = f"{path} is at least {value:g}, {bound_text(bound)} allowed"
            return candidate
    candidate.prepared = prepared
    return candidate


def pick(candidates: Sequence[Candidate], count: int, proxy: ProxyKeys) -> None:
    """Leave ``count`` of the open candidates, pass the others over.

    They are ranked by the ensemble of scores, and the subset is the one of the largest hypervolume in (rank, RAM,
    multiplications): large networks score well, so a rank alone would leave only these.
    """
    waiting = [candidate for candidate in candidates if candidate.open]
    if len(waiting) > count:
        for candidate in waiting:
            assert candidate.prepared is not None  # an open one was planned
            candidate.scores = {name: score(name, candidate.prepared, samples=proxy.samples) for name in proxy.scores}
        promises = ranks([[candidate.scores[name] for candidate in waiting] for name in proxy.scores])
        for candidate, promise in zip(waiting, promises, strict=True):
            candidate.promise = promise
        kept = set(choose(_gains(waiting), count))
        for i, candidate in enumerate(waiting):
            if i not in kept:
                candidate.fate = PASSED_OVER
    for candidate in candidates:
        candidate.prepared = None  # the data set of each would add up


def excess(value: float, bound: Bound) -> float:
    """By which share of the bound a value is beyond it; 0 within."""
    over = (value - bound.max) / max(abs(bound.max), 1e-9) if bound.max is not None else 0.0
    under = (bound.min - value) / max(abs(bound.min), 1e-9) if bound.min is not None else 0.0
    return max(over, under, 0.0)


def bound_text(bound: Bound) -> str:
    """``at most 65536``."""
    texts = [f"at least {bound.min:g}"] if bound.min is not None else []
    texts += [f"at most {bound.max:g}"] if bound.max is not None else []
    return " and ".join(texts)


def _gains(waiting: Sequence[Candidate]) -> list[Point]:
    """Points in [0, 1]; a little above 0, so that the worst of a batch still spans a volume."""
    points = []
    for name in ("memory.ram_bytes", "model.macs_forward"):
        values = [candidate.estimates[name] for candidate in waiting]
        span = (max(values) - min(values)) or 1.0
        points.append([0.05 + 0.95 * (max(values) - value) / span for value in values])
    return [(0.05 + 0.95 * candidate.promise, ram, macs) for candidate, ram, macs in zip(waiting, *points, strict=True)]
