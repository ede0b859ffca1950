# SPDX-License-Identifier: Apache-2.0
"""Carries out many runs, a worker's worth at a time, and tells of each as it finishes."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait

from trainbed.sweep.axes import canonical
from trainbed.sweep.job import Job, Outcome, died
from trainbed.sweep.workers import Workers


def in_turn(jobs: Sequence[Job]) -> list[Job]:
    """Jobs that differ in more than their seed first: those that wait for the same build would wait side by side."""
    seen: Counter[str] = Counter()
    turns: list[tuple[int, int, Job]] = []
    for job in jobs:
        training = job.document.root["training"]
        alike = canonical({**job.document.root, "training": {**training, "seed": None}})
        turns.append((seen[alike], job.index, job))
        seen[alike] += 1
    return [job for _, _, job in sorted(turns, key=lambda turn: turn[:2])]


def carry_out(jobs: Iterable[Job], workers: Workers) -> Iterator[tuple[Job, Outcome]]:
    """Run jobs side by side; (job, outcome) in the order they finish.

    No more are handed out than there are workers: what has not begun can still be dropped. When a worker dies, those
    that ran with it are run again, each alone, so that the one that kills its worker is known.
    """
    waiting = deque(jobs)
    running: dict[Future[Outcome], Job] = {}
    while waiting or running:
        while waiting and len(running) < workers.width:
            job = waiting.popleft()
            running[workers.submit(job)] = job
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in finished:
            error = future.exception()
            if isinstance(error, BrokenExecutor):
                continue
            job = running.pop(future)
            yield job, future.result() if error is None else died(f"{type(error).__name__}: {error}")
        if any(future.done() for future in running):  # what is left and done was broken by another's worker
            suspects = list(running.values())
            running.clear()
            workers.renew()
            for job in suspects:
                yield job, _alone(job, workers)


def _alone(job: Job, workers: Workers) -> Outcome:
    try:
        return workers.submit(job).result()
    except BrokenExecutor:
        workers.renew()
        return died("the process of the run died: killed, or out of memory")
