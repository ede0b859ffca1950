# SPDX-License-Identifier: Apache-2.0
"""pytest plugin: ``*.scenario.yaml`` files as tests, and fixtures for tests of one's own.

pytest loads this module in every project it is installed beside. So nothing else of trainbed is imported before a
scenario is used, and an option another plugin has taken is left to it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from trainbed.link.client import Client
    from trainbed.prepare import Built
    from trainbed.result import Result
    from trainbed.scenario.scenario import Scenario
    from trainbed.session import Session

SUFFIX = ".scenario.yaml"

_SHORT_OPTIONS = ("board", "backend")


class ContractBroken(AssertionError):
    """A scenario's contract does not hold; the message says why."""


@dataclass
class _Run:
    """What a test has run, for its report."""

    session: Session | None = None
    result: Result | None = None


@dataclass
class _Runs:
    """Finished runs of this process by everything they depend on; a run is deterministic, so it is made once."""

    finished: dict[tuple[object, ...], Session] = field(default_factory=dict)


_RUN = pytest.StashKey[_Run]()
_RUNS = pytest.StashKey[_Runs]()


# --- options ---------------------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options under their full names."""
    group = parser.getgroup("trainbed", "training on emulated microcontrollers")
    group.addoption("--trainbed-board", metavar="X", help="run all scenarios on this board")
    group.addoption("--trainbed-backend", metavar="B", help="run all scenarios on this backend")
    group.addoption("--trainbed-out", metavar="DIR", type=Path, help="keep results, weights and ELFs below DIR")


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(parser: pytest.Parser) -> Iterator[None]:
    """The short names, once all who may add options have: a project's own ``--board`` stays its own."""
    yield
    group = parser.getgroup("trainbed")
    for name in _SHORT_OPTIONS:
        if not _is_taken(parser, f"--{name}"):
            group.addoption(f"--{name}", dest=f"trainbed_{name}", metavar="..", help=f"short for --trainbed-{name}")


def _is_taken(parser: pytest.Parser, option: str) -> bool:
    try:
        _, unknown = parser.parse_known_and_unknown_args([f"{option}=x"])
    except (pytest.UsageError, SystemExit):  # it is there and wants another value
        return True
    return not unknown


def pytest_configure(config: pytest.Config) -> None:
    """The marker that names a test's scenario."""
    config.addinivalue_line(
        "markers",
        "trainbed(scenario, sets=(), board=None, backend=None): the scenario of the fixtures firmware, board, link, "
        "trainer and result; a path relative to the test's file, or the name of a shipped one",
    )
    config.stash[_RUNS] = _Runs()


# --- scenario files as tests -----------------------------------------------------------------------------------------


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Every ``*.scenario.yaml`` is a test."""
    if file_path.name.endswith(SUFFIX):
        collector: pytest.Collector = ScenarioFile.from_parent(parent, path=file_path)
        return collector
    return None


class ScenarioFile(pytest.File):
    """A scenario file: one test."""

    def collect(self) -> Iterator[pytest.Item]:
        """The run it describes; it is read when it is run, so that what is wrong with it is a failure of its own."""
        yield ScenarioItem.from_parent(self, name=self.path.name.removesuffix(SUFFIX))


class ScenarioItem(pytest.Item):
    """Runs a scenario and holds it against its contract."""

    def runtest(self) -> None:
        """Raises ContractBroken, or the TrainbedError that kept the run from its end."""
        from trainbed.explain import explain_result
        from trainbed.result import Verdict
        from trainbed.scenario import load_scenario

        result = _finished(self, load_scenario(self.path))
        if result.verdict is not Verdict.PASSED:
            raise ContractBroken(explain_result(result))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What was expected and observed; no traceback, because the fault is not in the harness."""
        from trainbed.errors import TrainbedError

        if isinstance(excinfo.value, ContractBroken):
            return str(excinfo.value)
        if isinstance(excinfo.value, TrainbedError):
            from trainbed.explain import kept_state

            told = f"{type(excinfo.value).__name__}: {excinfo.value}"
            return "\n".join(filter(None, [told, kept_state(excinfo.value)]))
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Shown above a failure."""
        return self.path, None, f"scenario {self.name}"


# --- fixtures --------------------------------------------------------------------------------------------------------


@pytest.fixture
def scenario(request: pytest.FixtureRequest) -> Scenario:
    """The scenario the test's ``trainbed`` marker names, checked."""
    from trainbed.scenario import load_scenario
    from trainbed.scenario.find import find_scenario

    marker = request.node.get_closest_marker("trainbed")
    if marker is None or not marker.args:
        pytest.fail(f"{request.node.name} needs @pytest.mark.trainbed('path of a scenario')", pytrace=False)
    beside = request.path.parent / marker.args[0]
    with _told():
        path = beside if beside.is_file() else find_scenario(str(marker.args[0]))
        return load_scenario(path, tuple(marker.kwargs.get("sets", ())))


@pytest.fixture
def trainbed_session(request: pytest.FixtureRequest, scenario: Scenario) -> Iterator[Session]:
    """The scenario, nothing built yet: for tests that want every step, or what happens instead, in their own hands."""
    from trainbed.session import Session

    with _told():
        session = Session(scenario, **_where(request.node))
    request.node.stash[_RUN] = _Run(session=session)
    with session:
        yield session


@pytest.fixture
def firmware(request: pytest.FixtureRequest, trainbed_session: Session) -> Built:
    """The scenario's firmware, built: ``firmware.firmware`` has sizes and ELF, ``firmware.memory`` who uses it."""
    with _told():
        built = trainbed_session.build()
    _record(request.node, {"firmware_sha256": built.firmware.image.sha256})
    return built


@pytest.fixture
def board(firmware: Built, trainbed_session: Session) -> Session:
    """The board, powered on, waiting for its first byte."""
    with _told():
        trainbed_session.boot()
    return trainbed_session


@pytest.fixture
def link(board: Session) -> Client:
    """The link to the board, open: typed requests to the firmware."""
    with _told():
        board.link.connect()
    return board.link


@pytest.fixture
def trainer(board: Session) -> Session:
    """The board with initial weights and its data set, ready to be trained."""
    with _told():
        board.inject()
    return board


@pytest.fixture
def result(request: pytest.FixtureRequest, scenario: Scenario) -> Result:
    """The judged result of the whole scenario. Tests that name the same scenario share one run."""
    with _told():
        return _finished(request.node, scenario)


# --- reports ---------------------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """A test that fails tells what it has run."""
    report = yield
    run = item.stash.get(_RUN, None)
    if report.failed and run is not None and not isinstance(item, ScenarioItem):
        from trainbed.explain import explain_losses, explain_result, kept_state

        text = explain_result(run.result) if run.result else explain_losses(run.session.losses if run.session else ())
        kept = kept_state(run.session.broken if run.session else None)
        for told in filter(None, (text, kept)):
            report.sections.append(("trainbed", told))
    return report


def _finished(item: pytest.Item, scenario: Scenario) -> Result:
    """The result of a scenario for a test: run, or remembered; recorded, and kept below --trainbed-out."""
    from trainbed.explain import figures
    from trainbed.session import Session

    where = _where(item)
    runs = item.config.stash[_RUNS].finished
    key = (repr(scenario), scenario.base_dir.resolve(), *sorted(where.items()))
    session = runs.get(key)
    if session is None:
        with Session(scenario, **where) as session:
            session.result()
        runs[key] = session
    result = session.result()
    item.stash[_RUN] = _Run(session=session, result=result)
    _record(item, figures(result))
    out = item.config.getoption("trainbed_out")
    if out is not None:
        session.save(out / _folder_name(item.nodeid))
    return result


def _where(item: pytest.Item) -> dict[str, Any]:
    """Board and backend: of the command line, else of the marker, else the scenario's own."""
    marker = item.get_closest_marker("trainbed")
    named = marker.kwargs if marker is not None else {}
    return {name: item.config.getoption(f"trainbed_{name}") or named.get(name) for name in _SHORT_OPTIONS}


def _record(item: pytest.Item, figures: Mapping[str, object]) -> None:
    """Properties of the test in a JUnit report."""
    item.user_properties.extend((f"trainbed.{name}", value) for name, value in figures.items())


def _folder_name(nodeid: str) -> str:
    """A name no other test has, also where file systems take no long ones."""
    plain = re.sub(r"[^\w.=-]+", "_", nodeid)
    return f"{plain[:80]}-{hashlib.sha256(nodeid.encode()).hexdigest()[:8]}"


@contextmanager
def _told() -> Iterator[None]:
    """An error trainbed raises on purpose speaks for itself: no traceback through the harness."""
    from trainbed.errors import TrainbedError

    told = ""
    try:
        yield
    except TrainbedError as error:
        told = f"{type(error).__name__}: {error}"
    if told:  # outside the except clause: the report is not to show where the error came from
        pytest.fail(told, pytrace=False)
