# SPDX-License-Identifier: Apache-2.0
"""JUnit XML of runs and sweeps: a suite a run, a test case an expectation, the figures as properties."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from trainbed.errors import GuestError
from trainbed.explain import explain_expectation, figures
from trainbed.report.sources import Run, Sweep, axis_name, axis_value, read_source
from trainbed.result import Result, StopReason, write_whole
from trainbed.summary import bound_text, observed_text

TRAINING = "training runs to its end"
"""The test case every run has, whatever its contract asks for."""

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(file: Path, sources: Sequence[Run | Sweep]) -> None:
    """Write a JUnit file, whole or not at all."""
    _write(file, _tree(sources))


@contextmanager
def reported(file: Path | None, name: str, folder: Path) -> Iterator[None]:
    """Write the contract of the run made inside and kept in ``folder``, or what broke its guest; None: nothing."""
    try:
        yield
    except GuestError as error:
        if file is not None:
            _write(file, _broken(name, error))
        raise
    if file is not None:
        write_junit(file, [read_source(folder)])


def junit_xml(sources: Sequence[Run | Sweep]) -> str:
    """The text of a JUnit file."""
    return _text(_tree(sources))


def _tree(sources: Sequence[Run | Sweep]) -> ET.Element:
    root = ET.Element("testsuites", name="trainbed")
    for source in sources:
        root.append(_run_suite(source) if isinstance(source, Run) else _sweep_suite(source))
    for key in ("tests", "failures", "errors"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    return root


def _write(file: Path, root: ET.Element) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, partial(Path.write_text, data=_text(root), encoding="utf-8"))


def _text(root: ET.Element) -> str:
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _broken(name: str, error: GuestError) -> ET.Element:
    root = ET.Element("testsuites", name="trainbed", tests="1", failures="0", errors="1")
    suite = ET.SubElement(root, "testsuite", name=_clean(name), tests="1", failures="0", errors="1")
    case = ET.SubElement(suite, "testcase", name=TRAINING, classname="trainbed")
    ET.SubElement(case, "error", message=_clean(str(error)), type=type(error).__name__)
    return root


def _run_suite(run: Run) -> ET.Element:
    result = run.result
    suite = ET.Element("testsuite", name=_clean(result.scenario.name))
    _properties(suite, figures(result))
    group = f"{result.board}.{result.backend.name}"
    cases = [_case(suite, TRAINING, group, "" if _ended(result) else f"training stopped: {result.stop_reason.value}")]
    for expectation in result.expectations:
        wrong = "" if expectation.passed else f"{observed_text(expectation)}, expected {bound_text(expectation)}"
        details = explain_expectation(expectation, result.training.loss) if wrong else ""
        cases.append(_case(suite, expectation.name, group, wrong, details))
    cases[0].set("time", f"{result.cost.wall_s:.3f}")
    _count(suite, cases)
    suite.set("time", f"{result.cost.wall_s:.3f}")
    return suite


def _ended(result: Result) -> bool:
    return result.stop_reason is StopReason.COMPLETED


def _sweep_suite(sweep: Sweep) -> ET.Element:
    """A test case a row: it passes where the row's verdict says so."""
    suite = ET.Element("testsuite", name=_clean(sweep.label))
    _properties(suite, {"runs": len(sweep.rows), "axes": ", ".join(map(axis_name, sweep.axes))})
    cases = []
    for number, row in enumerate(sweep.rows, 1):
        name = ", ".join(f"{axis_name(axis)}={axis_value(row[axis])}" for axis in sweep.axes) or f"run {number}"
        verdict = row.get("verdict", "")
        wrong = (
            ""
            if verdict == "passed"
            else row.get("error") or f"{verdict or row.get('status', '')}, {row.get('stop_reason', '')}"
        )
        case = _case(suite, name, row.get("board", "") or sweep.label, wrong)
        measured = {column: row[column] for column in sweep.columns if column not in sweep.axes and row[column]}
        _properties(case, measured)
        cases.append(case)
    _count(suite, cases)
    return suite


def _case(suite: ET.Element, name: str, group: str, wrong: str, details: str = "") -> ET.Element:
    case = ET.SubElement(suite, "testcase", name=_clean(name), classname=_clean(group))
    if wrong:
        failure = ET.SubElement(case, "failure", message=_clean(wrong))
        failure.text = _clean(details)
    return case


def _properties(parent: ET.Element, values: Mapping[str, str | float]) -> None:
    block = ET.Element("properties")
    for name, value in values.items():
        ET.SubElement(block, "property", name=_clean(name), value=_clean(str(value)))
    parent.insert(0, block)


def _count(suite: ET.Element, cases: Sequence[ET.Element]) -> None:
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    suite.set("errors", "0")


def _clean(text: str) -> str:
    """Without the characters XML cannot carry."""
    return _NOT_XML.sub("�", text)
