# SPDX-License-Identifier: Apache-2.0
"""Which network in which precision ends with the twin's bits on which board of which backend: a table, made by running.

    PYTHONPATH=harness python benchmarks/conformance/run.py [--backend B] [--board X] [--case NAME] [--check | --write]

Runs the networks of tests/conformance on every board of every backend that is installed here, narrowed by the options,
keeps what came out in results.json beside this file (the other entries stay) and writes the tables, one for each
precision, into docs/fidelity.md. A network joins by being added to NETWORKS, a board or a backend by its file in
platforms/.
A result that is not the twin's must have its reason in DEPARTURES, or the table is not written and the exit code is 1.
Two options run nothing: ``--check`` exits with 1 when the documentation's table is not the one of results.json,
``--write`` makes it so.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "conformance"))

import int8_cases  # noqa: E402
import test_int8_pow2_everywhere as pow2_cases  # noqa: E402
from conformance_cases import CASES, write_case  # noqa: E402

from trainbed.backends.registry import availability  # noqa: E402
from trainbed.boards import board_names, load_board  # noqa: E402
from trainbed.errors import InputError, TrainbedError  # noqa: E402
from trainbed.scenario.loader import load_scenario  # noqa: E402
from trainbed.session import Session  # noqa: E402

NETWORKS: Mapping[str, Callable[[Path], Path]] = {
    **{name: partial(write_case, name) for name in CASES},
    **{
        name: partial(int8_cases.write_int8_case, name)
        for name, case in int8_cases.CASES.items()
        if case.quick or name in ("mixed", "qas")
    },
    **{f"pow2_{name}": partial(pow2_cases._written, name) for name in pow2_cases.TRAINED},
}
"""Name -> writes the scenario, and the data it names, into a folder; the path of the scenario."""

RESULTS = Path(__file__).with_name("results.json")
DOCUMENT = ROOT / "docs" / "fidelity.md"
BEGIN, END = "<!-- conformance table: written by benchmarks/conformance/run.py -->", "<!-- end of the table -->"

DEPARTURES: Sequence[tuple[str, str, str]] = ()
"""(precision, backend/board, reason), the first two as patterns with * and ?; why the weights there are not the
twin's.
"""

_VIRTUAL = "_16mb"
"""Boards that exist nowhere are built for comparisons, not for this."""


@dataclass(frozen=True)
class Place:
    """Where a network is trained."""

    backend: str
    board: str

    @property
    def key(self) -> str:
        """As in results.json."""
        return f"{self.backend}/{self.board}"


def places() -> Iterator[Place]:
    """Every board of every backend installed here, the real ones apart."""
    for board in board_names():
        if not board.endswith(_VIRTUAL):
            for backend in load_board(board).backends:
                if backend != "serial" and availability(backend).usable:
                    yield Place(backend, board)


def outcome(scenario: Path, place: Place) -> dict[str, Any]:
    """What one run ended with: ``ulp`` from the twin (0: its bits), or ``refused``, why it cannot be built."""
    loaded = load_scenario(scenario, [f"board={place.board}"])
    try:
        with Session(loaded, backend=place.backend) as session:
            observed = session.check("matches_reference", "exact").observed if session.train() else None
            return {"ulp": observed, "precision": loaded.training.precision}
    except InputError as error:
        return {"refused": str(error).splitlines()[0], "precision": loaded.training.precision}


def reason(precision: str, place: str) -> str | None:
    """Why a result at ``place``, a backend and a board, may differ from the twin's."""
    matches = (
        why
        for precisions, places, why in DEPARTURES
        if fnmatch.fnmatchcase(precision, precisions) and fnmatch.fnmatchcase(place, places)
    )
    return next(matches, None)


def table(results: dict[str, Any]) -> str:
    """The part of the documentation between its two marks."""
    lines = [
        BEGIN,
        "",
        "`=`: the weights are the twin's to the bit. A number: the largest distance in units in the last place; `≠`:",
        "other codes; the reason stands below. `-`: the board has no room for the network, or does not know the",
        "precision. Empty: not run.",
        "",
    ]
    departures: dict[str, None] = {}
    by_precision: dict[str, list[str]] = {}
    for name in NETWORKS:
        if precision := _precision(results, name):
            by_precision.setdefault(precision, []).append(name)
    for precision, networks in by_precision.items():
        lines += [
            f"| {precision} on | board | {' | '.join(name.replace('_', ' ') for name in networks)} |",
            f"|---|---|{'|'.join(':-:' for _ in networks)}|",
        ]
        for key in sorted(results["runs"]):
            backend, board = key.split("/")
            runs = [results["runs"][key].get(name) for name in networks]
            if any(runs):
                cells = " | ".join(map(_cell, runs))
                lines.append(f"| {backend} {results['versions'][backend]} | `{board}` | {cells} |")
            if any(map(_departs, runs)):
                departures[f"- {precision} on {backend}, `{board}`: {reason(precision, key)}"] = None
        lines.append("")
    lines += [*(departures or ["No departures: every run ended with the bits of the NumPy twin."]), "", END]
    return "\n".join(lines)


def _cell(run: dict[str, Any] | None) -> str:
    if run is None:
        return ""
    if "refused" in run:
        return "-"
    if run["ulp"] is None:
        return "≠"  # codes of 8 bits that read as floats are no numbers to measure a distance between
    return "=" if run["ulp"] == 0 else str(run["ulp"])


def _departs(run: dict[str, Any] | None) -> bool:
    return run is not None and run.get("ulp", 0) != 0


def _precision(results: dict[str, Any], name: str) -> str:
    return next((str(runs[name]["precision"]) for runs in results["runs"].values() if name in runs), "")


def document(text: str, part: str) -> str:
    """The documentation with its table replaced. Raises ValueError when it has none."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{DOCUMENT.name} has no place for the table")
    return head + part + tail


def measure(results: dict[str, Any], arguments: argparse.Namespace) -> int:
    """Run what is asked for into ``results``; the number of results nobody can explain."""
    unexplained = 0
    for place in places():
        if place.backend not in (arguments.backend or place.backend) or arguments.board not in (None, place.board):
            continue
        results["versions"][place.backend] = availability(place.backend).version
        for name, write in NETWORKS.items():
            if arguments.case not in (None, name):
                continue
            with tempfile.TemporaryDirectory() as scratch:
                try:
                    run = outcome(write(Path(scratch)), place)
                except TrainbedError as error:
                    print(f"{place.key} {name}: {error}", file=sys.stderr)
                    unexplained += 1
                    continue
            print(f"{place.key} {name}: {_cell(run)}", flush=True)
            results["runs"].setdefault(place.key, {})[name] = run
            if _departs(run) and reason(run["precision"], place.key) is None:
                unexplained += 1
        if not unexplained:
            RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return unexplained


def main() -> int:
    """Run, keep, write; see the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ("--backend", "--board", "--case"):
        parser.add_argument(option)
    for option in ("--check", "--write"):
        parser.add_argument(option, action="store_true")
    arguments = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"versions": {}, "runs": {}}
    text = DOCUMENT.read_text(encoding="utf-8")
    if arguments.check:
        return int(document(text, table(results)) != text)
    if not arguments.write and measure(results, arguments):
        print("a result without a reason in DEPARTURES: the table is left as it was", file=sys.stderr)
        return 1
    DOCUMENT.write_text(document(text, table(results)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
