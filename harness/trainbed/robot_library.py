# SPDX-License-Identifier: Apache-2.0
"""Robot Framework library: training on emulated boards, in sentences. Each keyword is a step of trainbed.session."""

from __future__ import annotations

import shutil
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from robot import result, running
from robot.api import logger
from robot.api.deco import keyword, library
from robot.libraries.BuiltIn import BuiltIn, RobotNotRunningError

from trainbed import __version__
from trainbed.assets import asset_path
from trainbed.errors import GuestError, GuestFault, GuestHang, InputError, LinkLost
from trainbed.explain import explain_expectation, explain_result, figures, kept_state
from trainbed.result import Result, Verdict
from trainbed.scenario import load_scenario
from trainbed.scenario.find import find_scenario
from trainbed.session import DEFAULT_GUEST_S, Session

E = TypeVar("E", bound=GuestError)

_TIMEOUT = timedelta(seconds=DEFAULT_GUEST_S)


@library(scope="SUITE", version=__version__, doc_format="ROBOT", listener="SELF")
class RobotLibrary:
    """Trains neural networks on emulated microcontrollers and checks what comes of it.

    A scenario says which network is trained on which board, and on what data. `Boot Scenario` builds its firmware and
    powers the board on; `Inject Dataset` and `Train For Epochs` go on from there, and every keyword with _Should_ in
    its name passes or fails on what the board has done so far. A keyword takes the steps before it that the suite left
    out: `Boot Scenario` followed by `Contract Should Be Fulfilled` is a whole run.

    = Scenarios =

    A path, or the name of a scenario that trainbed came with. Every key of it can be changed where it is named, by its
    dotted path:

    | Boot Scenario    ${CURDIR}/keyword.yaml    training.epochs=5    expect.test_accuracy={min: 0.8}

    = Board and backend =

    Those of the scenario, unless the import names others; variables make them a matter of the command line:

    | Library    trainbed.robot_library    backend=${BACKEND}    board=${BOARD}

    | robot --variable BOARD:native suite.robot

    = Time =

    Timeouts are in guest time: seconds of the emulated board. A slow or busy host makes no test fail.

    = Failures =

    What is wrong with a scenario is a ``ScenarioError`` with file and line. What breaks in the guest stays broken until
    `Reset Board`: every further keyword fails with the same ``GuestFault``, ``GuestHang``, ``GuestReset`` or
    ``LinkLost``. A bound that does not hold fails with the figure, the bound and the loss curve.
    """

    def __init__(self, backend: str = "", board: str = "") -> None:
        """``backend``, ``board``: used instead of those in the scenarios, unless empty."""
        self._backend = backend
        self._board = board
        self._session: Session | None = None
        self._uart = bytearray()

    def close(self) -> None:
        """Called by Robot Framework when the suite is over."""
        if self._session is not None:
            self._session.close()

    def _end_test(self, _data: running.TestCase, test: result.TestCase) -> None:
        """Called by Robot Framework; a test that failed because the guest broke says where its state was kept."""
        kept = kept_state(self._session.broken) if self._session is not None and test.failed else ""
        test.message = "\n\n".join(filter(None, [test.message, kept]))

    # --- board -------------------------------------------------------------------------------------------------------

    @keyword
    def boot_scenario(self, scenario: str, *, firmware: Path | None = None, **changes: object) -> None:
        """Builds the firmware of a scenario and powers its board on.

        ``firmware``: folder with changed sources of the runtime (see `Copy Firmware Sources`). ``changes``: keys of the
        scenario by their dotted path, such as ``training.epochs=5``; ``board`` and ``backend`` too.

        | Boot Scenario    depthconv
        | Boot Scenario    ${CURDIR}/keyword.yaml    backend=native    training.seed=7
        """
        session = self._open(scenario, changes, firmware=firmware)
        session.boot()
        built = session.build().firmware.image
        logger.info(f"{session!r}, firmware {built.sha256}")
        _note(f"Firmware of {session.scenario.name}", f"SHA-256 {built.sha256}")

    @keyword
    def reset_board(self) -> None:
        """Powers the board off and on: weights, data set and counters are gone, as after the first boot."""
        self._uart.clear()
        self._booted.boot()

    @keyword
    def copy_firmware_sources(self, folder: Path) -> Path:
        """Copies the sources of the runtime into a folder, to be changed and given to `Boot Scenario`; returns it."""
        shutil.copytree(asset_path("firmware"), folder)
        return folder

    # --- training ----------------------------------------------------------------------------------------------------

    @keyword
    def inject_dataset(self) -> int:
        """Sets the initial weights and sends the data set over the UART; returns the number of training samples.

        Training starts over. Data that do not fit into the board's RAM are sent while training.
        """
        started = self._booted.inject()
        kept = "on the device" if started.resident else "streamed"
        logger.info(f"{started.n_train} samples to train and {started.n_test} to test, {kept}")
        return started.n_train

    @keyword
    def train_for_epochs(self, epochs: int) -> float:
        """Trains the next epochs; returns the mean loss of the last one.

        Fails when training diverges or when the scenario has not so many epochs left.
        """
        return self._train(epochs)

    @keyword
    def train_to_the_end(self) -> float:
        """Trains all epochs that are left and evaluates the test set; returns the last mean loss.

        Fails when training diverges.
        """
        return self._train(None)

    @keyword
    def get_result(self) -> Result:
        """The judged result of the scenario; what is left to train is trained first.

        Its figures are named as in result.json:

        | ${result}=    Get Result
        | Log    ${result.cost.cycles_per_sample.total} cycles, ${result.memory.ram_bytes} B of RAM
        """
        return self._judged()

    @keyword
    def get_weights_digest(self) -> str:
        """SHA-256 of the weights as they are on the board: equal digests mean equal bits."""
        return self._booted.weights_sha256()

    @keyword
    def save_run(self, folder: Path) -> None:
        """Keeps result.json, weights.npz and firmware.elf in a folder; what is left to train is trained first."""
        self._judged()
        self._booted.save(folder)

    # --- contract ----------------------------------------------------------------------------------------------------

    @keyword
    def contract_should_be_fulfilled(self) -> None:
        """Trains what is left and fails unless everything holds that the scenario expects."""
        result = self._judged()
        if result.verdict is not Verdict.PASSED:
            raise AssertionError(explain_result(result))
        logger.info(explain_result(result))

    @keyword
    def contract_should_fail(self, *expectations: str) -> None:
        """Trains what is left and fails unless the contract is broken; named expectations must be those that failed."""
        result = self._judged()
        failed = {expectation.name for expectation in result.expectations if not expectation.passed}
        if result.verdict is Verdict.PASSED or (expectations and failed != set(expectations)):
            expected = ", ".join(expectations) or "the contract"
            raise AssertionError(f"{expected} should have failed\n\n{explain_result(result)}")

    @keyword
    def scenario_should_pass(self, scenario: str, *, firmware: Path | None = None, **changes: object) -> None:
        """The whole run in one sentence: `Boot Scenario`, then `Contract Should Be Fulfilled`."""
        self.boot_scenario(scenario, firmware=firmware, **changes)
        self.contract_should_be_fulfilled()

    @keyword
    def scenario_should_be_refused(self, scenario: str, reason: str, **changes: object) -> None:
        """Fails unless the scenario is refused as bad input, before anything runs, with ``reason`` in the message.

        | Scenario Should Be Refused    tiny    unknown key 'epoch'    training.epoch=5
        """
        try:
            self._open(scenario, changes).build()
        except InputError as error:
            if reason not in str(error):
                raise AssertionError(f"'{reason}' is not the reason: {error}") from error
            logger.info(str(error))
        else:
            raise AssertionError(f"{scenario} was accepted; it should have been refused: {reason}")

    @keyword
    def loss_should_decrease_by(self, share: float) -> None:
        """Fails unless 1 - last / first mean loss of an epoch is at least ``share``."""
        self._check("loss_decreases", {"by": share})

    @keyword
    def final_loss_should_be_at_most(self, loss: float) -> None:
        """Fails unless the mean loss of the last epoch is at most ``loss``."""
        self._check("final_loss", {"max": loss})

    @keyword
    def test_accuracy_should_be_at_least(self, share: float) -> None:
        """Fails unless at least this share of the test set is answered right, with the weights as they are."""
        self._check("test_accuracy", {"min": share})

    @keyword
    def balanced_accuracy_should_be_at_least(self, share: float) -> None:
        """Fails unless the mean over the classes of the share answered right is at least this, on the test set."""
        self._check("balanced_accuracy", {"min": share})

    @keyword
    def weights_should_equal_reference(self, ulp: int = 0) -> None:
        """Fails unless the board's weights equal those of the same training in NumPy: to the bit, or within ``ulp``."""
        self._check("matches_reference", {"ulp": ulp} if ulp else "exact")

    @keyword
    def training_memory_should_be_at_most(self, n_bytes: int) -> None:
        """Fails unless training takes at most ``n_bytes``: activations, gradients, optimizer state and scratch.

        Parameters and the buffer of a sample are not counted.
        """
        self._check("training_memory_bytes", {"max": n_bytes})

    @keyword
    def ram_should_be_at_most(self, n_bytes: int) -> None:
        """Fails unless the firmware takes at most ``n_bytes`` of RAM: parameters, arena, samples, link, stack."""
        self._check("ram_bytes", {"max": n_bytes})

    @keyword
    def flash_should_be_at_most(self, n_bytes: int) -> None:
        """Fails unless the firmware takes at most ``n_bytes`` of flash: code, constants, initial values."""
        self._check("flash_bytes", {"max": n_bytes})

    @keyword
    def stack_should_be_at_most(self, n_bytes: int) -> None:
        """Fails unless the stack, painted before the start, was used up to at most ``n_bytes``."""
        self._check("stack_bytes", {"max": n_bytes})

    @keyword
    def cycles_per_sample_should_be_at_most(self, cycles: float) -> None:
        """Fails unless training a sample takes at most so many core cycles: forward, backward and update.

        On a backend that counts no cycles it fails: what was not measured has not passed.
        """
        self._check("cycles_per_sample", {"max": cycles})

    @keyword
    def energy_per_sample_should_be_at_most(self, microjoule: float) -> None:
        """Fails unless training a sample takes at most so much energy, modelled from cycles and data sheet."""
        self._check("energy_uj_per_sample", {"max": microjoule})

    # --- when it breaks ----------------------------------------------------------------------------------------------

    @keyword
    def training_should_diverge(self) -> int:
        """Trains what is left and fails unless a loss is not finite; returns the optimizer steps made before."""
        session = self._booted
        session.train()
        if session.diverged is None:
            raise AssertionError(f"training did not diverge; its last mean loss is {session.losses[-1]:.6g}")
        return session.diverged.step

    @keyword
    def guest_should_fault_at(self, function: str, *doing: str, kind: str = "") -> str:
        """Fails unless the firmware faults in ``function``: while it trains on, or while the keyword in ``doing`` runs.

        ``kind``: of the fault, such as ``undefined_instruction`` or ``stack_overflow``. Returns the message.

        | Guest Should Fault At    train_sample
        | Guest Should Fault At    receive    Write Bytes To Uart    ff 00
        """
        fault = self._break(GuestFault, doing)
        if fault.where.split()[0] != function or (kind and fault.kind != kind):
            expected = f"{kind.replace('_', ' ') or 'a fault'} at {function}"
            raise AssertionError(f"expected {expected}, found {fault}")
        return str(fault)

    @keyword
    def guest_should_hang(self, *doing: str) -> str:
        """Fails unless the guest spends its budget without an answer. Returns the message.

        For ``doing`` see `Guest Should Fault At`.
        """
        return str(self._break(GuestHang, doing))

    @keyword
    def link_should_be_lost(self, *doing: str) -> str:
        """Fails unless the link gives up within its retries. Returns the message.

        For ``doing`` see `Guest Should Fault At`.
        """
        return str(self._break(LinkLost, doing))

    @keyword
    def link_faults_should_be_at_least(self, n: int) -> None:
        """Fails unless the faults under ``link.faults`` in the scenario struck at least ``n`` times since the boot."""
        struck = self._booted.faults_injected
        if sum(struck.values()) < n:
            raise AssertionError(f"{sum(struck.values())} link faults, expected at least {n}: {dict(struck)}")
        logger.info(f"link faults: {dict(struck)}; {self._booted.link_counters}")

    # --- UART --------------------------------------------------------------------------------------------------------

    @keyword
    def write_bytes_to_uart(self, content: str, timeout: timedelta = _TIMEOUT) -> None:
        """Sends bytes, written as in ``59 52 0a``, and lets the guest run until it waits for more.

        They go past the link's client and its faults. docs/protocol.md says what they mean to the firmware.
        """
        self._uart += self._booted.exchange(_bytes(content), guest_s=timeout.total_seconds())

    @keyword
    def wait_for_bytes_on_uart(self, content: str, timeout: timedelta = _TIMEOUT) -> None:
        """Fails unless the guest has sent these bytes, or does so before it waits; what precedes them is dropped."""
        wanted = _bytes(content)
        if wanted not in self._uart:
            self._uart += self._booted.exchange(b"", guest_s=timeout.total_seconds())
        if wanted not in self._uart:
            raise AssertionError(f"waited for {wanted.hex(' ')}, received {self._uart.hex(' ') or 'nothing'}")
        del self._uart[: self._uart.index(wanted) + len(wanted)]

    @keyword
    def should_not_be_on_uart(self, content: str, timeout: timedelta = _TIMEOUT) -> None:
        """Fails when the guest has sent these bytes, or does so before it waits."""
        self._uart += self._booted.exchange(b"", guest_s=timeout.total_seconds())
        if _bytes(content) in self._uart:
            raise AssertionError(f"received {self._uart.hex(' ')}")

    @keyword
    def test_if_uart_is_idle(self, timeout: timedelta = _TIMEOUT) -> None:
        """Fails when the guest sends anything before it waits. What it sent before is dropped."""
        self._uart.clear()
        received = self._booted.exchange(b"", guest_s=timeout.total_seconds())
        if received:
            raise AssertionError(f"received {received.hex(' ')}")

    # --- inside ------------------------------------------------------------------------------------------------------

    @property
    def _booted(self) -> Session:
        if self._session is None:
            raise AssertionError("no scenario has been booted; begin with Boot Scenario")
        return self._session

    def _open(self, scenario: str, changes: dict[str, object], *, firmware: Path | None = None) -> Session:
        self.close()
        self._session = None
        self._uart.clear()
        backend = str(changes.pop("backend", self._backend)) or None
        board = str(changes.pop("board", self._board)) or None
        loaded = load_scenario(find_scenario(scenario), [f"{path}={value}" for path, value in changes.items()])
        self._session = Session(loaded, backend=backend, board=board, firmware=firmware)
        return self._session

    def _train(self, epochs: int | None) -> float:
        session = self._booted
        for done in session.train(epochs):
            accuracy = f", accuracy {done.accuracy:.1%}" if done.accuracy is not None else ""
            logger.info(f"epoch {done.epoch + 1}: mean loss {done.loss:.6g}{accuracy}")
        if session.diverged is not None:
            at = session.diverged
            raise AssertionError(f"training diverged in epoch {at.epoch + 1}, after {at.step} steps")
        return session.losses[-1]

    def _judged(self) -> Result:
        result = self._booted.result()
        told = {name: value for name, value in figures(result).items() if name != "scenario"}
        _note(f"Result of {result.scenario.name}", ", ".join(f"{name} {value}" for name, value in told.items()))
        return result

    def _check(self, name: str, bound: object) -> None:
        expectation = self._booted.check(name, bound)
        text = explain_expectation(expectation, self._booted.losses)
        if not expectation.passed:
            raise AssertionError(text)
        logger.info(text)

    def _break(self, kind: type[E], doing: tuple[str, ...]) -> E:
        """The error of this kind that breaks the guest while a keyword runs, or while it trains to the end."""
        try:
            if doing:
                BuiltIn().run_keyword(*doing)
            else:
                self._booted.train()
        except Exception:
            broken = self._booted.broken
            if not isinstance(broken, kind):
                raise
            logger.info(str(broken))
            return broken
        raise AssertionError(f"nothing broke; a {kind.__name__} was expected")


def _note(name: str, value: str) -> None:
    """For the report; a property of the suite in --xunit's."""
    with suppress(RobotNotRunningError):
        BuiltIn().set_suite_metadata(name, value)


def _bytes(content: str) -> bytes:
    try:
        return bytes.fromhex(content)
    except ValueError:
        raise InputError(f"'{content}' are no bytes; write them in hexadecimal, as in 59 52 0a") from None


robot_library = RobotLibrary
"""Robot Framework takes the class that is named like its module: ``Library    trainbed.robot_library``."""
