# SPDX-License-Identifier: Apache-2.0
"""gdb on a running scenario: it stops, looks and changes, and what it only looks at trains as without it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from gdb_session import debug, gdb_command
from qemu_boards import needs_qemu

import trainbed
from trainbed.backends.base import Guest, GuestImage
from trainbed.boards import Board
from trainbed.debug.guest import open_debug_guest
from trainbed.debug.session import Attach, debug_scenario
from trainbed.errors import EmulatorCrash, ExitCode, GuestFault, InputError
from trainbed.run import run_scenario
from trainbed.scenario import load_scenario
from trainbed.scenario.scenario import Scenario
from trainbed.session import Session

BOARDS = pytest.mark.parametrize(
    "board",
    [
        pytest.param("arduino_nano_33_ble", id="unicorn"),
        pytest.param("mps2_an386", id="qemu", marks=needs_qemu),
    ],
)
WITH_SOFT_FLOAT = pytest.mark.parametrize(
    "board",
    [
        pytest.param("arduino_nano_33_ble", id="unicorn"),
        pytest.param("raspberry_pi_pico", id="unicorn, code in RAM and no float unit"),
        pytest.param("mps2_an386", id="qemu", marks=needs_qemu),
    ],
)
Write = Callable[..., Path]


@pytest.fixture
def scenario(scenario_file: Write) -> Scenario:
    return load_scenario(scenario_file(("epochs: 5", "epochs: 2")))


@pytest.fixture
def digest(scenario: Scenario) -> str:
    """Of the weights without a debugger."""
    return run_scenario(scenario, backend="unicorn").weights.sha256


@BOARDS
def test_a_session_that_looks_at_everything_trains_the_same_weights(
    scenario: Scenario, digest: str, board: str
) -> None:
    found = debug(
        scenario,
        "break dense_1_backward_weights",
        "continue",
        "backtrace",
        "step",
        "finish",
        "p $s0",
        "stepi",
        "delete",
        "continue",
        board=board,
    )
    assert found.has("Breakpoint 1, dense_1_backward_weights (", "trn_dense_backward_weights(")
    assert found.has("#0 ", "dense_1_backward_weights (", "#1 ", "trn_model_train_sample (", "model.c:")
    assert found.has(
        "trn_train_request (", "train.c:", "in main () at firmware/app/main.c:", "$1 = ", "exited normally]"
    )
    assert found.weights_sha256 == digest


@BOARDS
def test_arrays_are_read_as_they_are_in_the_guest(scenario: Scenario, board: str) -> None:
    with Session(scenario, board=board) as session:
        session.inject()
        words = session.weights()[:4].view("<u4")
    found = debug(
        scenario, "break trn_train_request", "continue", "x/4xw trn_parameters", "delete", "continue", board=board
    )
    assert found.has("<trn_parameters>:", *(f"0x{word:08x}" for word in words))


@WITH_SOFT_FLOAT
def test_what_gdb_writes_reaches_the_guest(scenario: Scenario, digest: str, board: str) -> None:
    found = debug(
        scenario,
        "break trn_train_request",
        "continue",
        "delete",
        "set var *(float *)trn_parameters = 0.5",
        "p *(float *)trn_parameters",
        "set var $r12 = 0x1234",
        "p/x $r12",
        "continue",
        board=board,
    )
    assert found.has("$1 = 0.5", "$2 = 0x1234")
    assert len(found.weights_sha256) == 64
    assert found.weights_sha256 != digest


@BOARDS
def test_thousands_of_single_steps_change_nothing(scenario: Scenario, digest: str, board: str) -> None:
    found = debug(scenario, "break trn_model_train_sample", "continue", "delete", "stepi 1500", "continue", board=board)
    assert found.has("Breakpoint 1, trn_model_train_sample", "exited normally]")
    assert found.weights_sha256 == digest


@BOARDS
def test_a_watchpoint_halts_behind_the_write_that_changes_a_gradient(
    scenario: Scenario, digest: str, board: str
) -> None:
    found = debug(
        scenario,
        "break dense_1_backward_weights",
        "continue",
        "delete",
        "watch -location gb[0]",
        "continue",
        "backtrace 3",
        "delete",
        "continue",
        board=board,
    )
    assert found.has("Hardware watchpoint 2", "Old value = 0", "New value = ", "dense_1_backward_weights (")
    assert found.weights_sha256 == digest


def test_a_watchpoint_for_reads_halts_where_a_weight_is_read(scenario: Scenario, digest: str) -> None:
    begin = ("break dense_1_forward", "continue", "delete")
    found = debug(scenario, *begin, "rwatch -location w[0]", "continue", "backtrace", "delete", "continue")
    assert found.has("Hardware read watchpoint 2", "Value = ", "dense_1_forward (")
    assert found.weights_sha256 == digest


def test_a_breakpoint_is_met_every_time(scenario: Scenario) -> None:
    found = debug(scenario, "break trn_model_end_batch", *["continue"] * 4, "info breakpoints", "delete", "continue")
    assert found.has("breakpoint already hit 4 times", "exited normally]")  # 2 epochs of 12 samples in batches of 8


@BOARDS
def test_a_breakpoint_works_in_code_that_ran_before_it_was_set(scenario: Scenario, board: str) -> None:
    first = ("break trn_model_end_batch", "continue", "delete")
    found = debug(scenario, *first, "break trn_port_receive_wait", "continue", "delete", "continue", board=board)
    assert found.has("Breakpoint 2, trn_port_receive_wait (", "exited normally]")


def test_no_halt_is_taken_for_a_lost_frame(scenario: Scenario) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def make_guest(board: Board, backend: str, image: GuestImage) -> Guest:
        def attach(port: int) -> None:
            commands = ("break trn_model_train_sample", "continue 3", "watch trn_gradients[0]", "continue", "stepi 50")
            line = Attach(port, image.elf, ()).line()
            started.append(
                subprocess.Popen(gdb_command(line, (*commands, "delete", "continue")), stdout=subprocess.PIPE)
            )

        return open_debug_guest(board, backend, image, port=0, on_listening=attach)

    with Session(scenario, guest=make_guest) as session:
        session.train()
        counters = session.link_counters
    output, _ = started[0].communicate(timeout=60)
    assert b"New value = " in output
    assert (counters.silences, counters.repeats) == (0, 0)


def test_gdb_may_leave_and_the_training_goes_on(scenario: Scenario, digest: str) -> None:
    found = debug(scenario, "break trn_train_request", "continue", "detach")
    assert found.has("detached]")
    assert found.weights_sha256 == digest


@BOARDS
def test_gdb_may_end_the_guest(scenario: Scenario, board: str) -> None:
    found = debug(scenario, "break trn_train_request", "continue", "kill", board=board)
    assert isinstance(found.error, EmulatorCrash)
    assert str(found.error).startswith("gdb ended the guest")


def test_a_fault_halts_at_its_instruction_and_ends_the_run_afterwards(scenario: Scenario) -> None:
    found = debug(
        scenario,
        "break trn_model_train_sample",
        "continue",
        "set var *(unsigned short *)$pc = 0xde00",
        "delete",
        "continue",
        "backtrace 2",
        "detach",
    )
    assert found.has("received signal SIGILL", "trn_model_train_sample (", "#0 ", "trn_model_train_sample (", "#1 ")
    assert isinstance(found.error, GuestFault)
    assert found.error.kind == "undefined_instruction"
    assert found.error.where.startswith("trn_model_train_sample (model.c:")


def test_interrupts_and_sleep_work_under_the_debugger(scenario: Scenario, digest: str) -> None:
    found = debug(scenario, "break trn_port_receive_wait", *["continue"] * 4, "next", "delete", "continue")
    assert found.has("Breakpoint 1, trn_port_receive_wait")
    assert found.weights_sha256 == digest


def test_the_command_prints_the_line_that_attaches(scenario_file: Write, digest: str) -> None:
    path = scenario_file(("epochs: 5", "epochs: 2"))
    command = [sys.executable, "-m", "trainbed.cli", "debug", str(path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(trainbed.__file__).parents[1])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        line, ready = process.stdout.readline(), process.stdout.readline()
        assert ready.startswith("waiting for gdb on 127.0.0.1:")
        done = subprocess.run(
            gdb_command(line, ("continue",)), capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
        )
        told = process.stdout.read()
    assert "exited normally]" in done.stdout
    assert process.returncode == 0
    assert "epoch 2: loss 0." in told
    assert f"weights sha256 {digest}\n" in told


def test_ctrl_c_ends_the_session_while_the_guest_is_halted(scenario_file: Write) -> None:
    command = [sys.executable, "-m", "trainbed.cli", "debug", str(scenario_file())]
    environment = {**os.environ, "PYTHONPATH": str(Path(trainbed.__file__).parents[1])}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        port = int(process.stdout.readline().split("127.0.0.1:")[1].split(";")[0])
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (ExitCode.INTERRUPTED, "interrupted\n")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_a_backend_without_a_debugger_is_bad_input(scenario: Scenario) -> None:
    def attach(_: Attach) -> None:
        raise AssertionError("nothing to attach to")

    with pytest.raises(InputError, match=r"debug works on: .*simavr, yasimavr; this scenario runs on native"):
        debug_scenario(scenario, board="native", on_attach=attach)
