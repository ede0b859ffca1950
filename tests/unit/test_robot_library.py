# SPDX-License-Identifier: Apache-2.0
"""The Robot Framework library: its words, its failures, its tidiness. On the host board; robot/ has emulated ones."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from robot import result as robot_result
from robot import run as run_robot
from robot.api import ExecutionResult, ResultVisitor
from robot.libdoc import libdoc
from robot.libdocpkg import LibraryDocumentation

from small_scenario import TWO_SENSORS
from trainbed.robot_library import RobotLibrary
from trainbed.session import Session

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass
class Outcome(ResultVisitor):
    """Message of each test, empty where it passed."""

    messages: dict[str, str] = field(default_factory=dict)

    def visit_test(self, test: robot_result.TestCase) -> None:
        """Called for each test."""
        self.messages[test.name] = "" if test.passed else test.message


def robot(folder: Path, tests: str, *, settings: str = "") -> dict[str, str]:
    """Run test cases written in Robot Framework's language; what each failed with."""
    (folder / "two.yaml").write_text(TWO_SENSORS, encoding="utf-8")
    suite = folder / "suite.robot"
    head = f"*** Settings ***\nLibrary    trainbed.robot_library\n{settings}\n*** Test Cases ***\n"
    suite.write_text(head + tests, encoding="utf-8")
    output = folder / "output.xml"
    run_robot(str(suite), output=str(output), log=None, report=None, stdout=io.StringIO(), stderr=io.StringIO())
    outcome = Outcome()
    ExecutionResult(str(output)).visit(outcome)
    return outcome.messages


def test_robot_is_robot_framework_from_the_root_of_the_checkout_too() -> None:
    command = [sys.executable, "-c", "import robot; print(robot.__file__); from robot.api import logger"]
    where = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.strip()
    assert CHECKOUT / "robot" not in Path(where).parents  # an environment may lie inside the checkout
    assert not (CHECKOUT / "robot" / "__init__.py").exists()


def test_every_keyword_is_documented_and_typed() -> None:
    documentation = LibraryDocumentation("trainbed.robot_library")
    assert documentation.name == "trainbed.robot_library"
    assert len(documentation.keywords) >= 30
    for keyword in documentation.keywords:
        assert keyword.doc, f"{keyword.name} is not documented"
        untyped = [arg.name for arg in keyword.args if arg.name and not arg.type]
        assert untyped in ([], ["changes"]), f"{keyword.name}: {untyped}"


def test_keywords_are_the_sentences_that_were_promised() -> None:
    names = {keyword.name for keyword in LibraryDocumentation("trainbed.robot_library").keywords}
    assert names >= {
        "Boot Scenario",
        "Inject Dataset",
        "Train For Epochs",
        "Loss Should Decrease By",
        "Weights Should Equal Reference",
        "Cycles Per Sample Should Be At Most",
        "Training Memory Should Be At Most",
        "Write Bytes To Uart",
        "Wait For Bytes On Uart",
        "Reset Board",
        "Guest Should Fault At",
    }


def test_the_keyword_documentation_is_generated_without_a_complaint(tmp_path: Path) -> None:
    page = tmp_path / "keywords.html"
    libdoc("trainbed.robot_library", str(page), quiet=True)
    assert "Weights Should Equal Reference" in page.read_text(encoding="utf-8")


def test_a_bound_that_does_not_hold_shows_observed_bound_and_curve(tmp_path: Path) -> None:
    messages = robot(
        tmp_path,
        "Learns\n    Boot Scenario    ${CURDIR}/two.yaml\n    Train To The End\n    Loss Should Decrease By    0.999\n",
    )
    assert messages["Learns"].startswith("loss_decreases: observed 0.")
    assert "expected by at least 0.999" in messages["Learns"]
    assert "mean loss of each epoch" in messages["Learns"] and "┤" in messages["Learns"]


def test_a_broken_contract_shows_the_whole_table(tmp_path: Path) -> None:
    messages = robot(
        tmp_path, "Learns\n    Scenario Should Pass    ${CURDIR}/two.yaml    expect.loss_decreases.by=0.999\n"
    )
    assert "✗ loss_decreases" in messages["Learns"] and "✓ matches_reference" in messages["Learns"]


def test_a_test_whose_guest_broke_says_where_its_state_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("unicorn", reason="the unicorn extra is not installed")
    monkeypatch.setenv("TRAINBED_CACHE", str(tmp_path / "cache"))
    broken = "Boot Scenario    ${CURDIR}/two.yaml    board=arduino_nano_33_ble    budget.steps=2000"
    messages = robot(
        tmp_path, f"Breaks\n    {broken}\n    Train To The End\nExpects It\n    {broken}\n    Guest Should Hang\n"
    )
    assert "spent its budget" in messages["Breaks"]
    folder = Path(messages["Breaks"].rpartition("its state is kept: trainbed debug --post-mortem ")[2])
    assert (folder / "post_mortem.json").is_file()
    assert messages["Expects It"] == ""


def test_a_keyword_takes_the_steps_before_it(tmp_path: Path) -> None:
    messages = robot(
        tmp_path,
        "Whole Run\n    Boot Scenario    ${CURDIR}/two.yaml\n    Contract Should Be Fulfilled\n"
        "Next Test\n    ${r}=    Get Result\n    Should Be Equal    ${r.verdict.value}    passed\n",
    )
    assert messages == {"Whole Run": "", "Next Test": ""}


def test_keywords_that_expect_failure_fail_when_all_is_well(tmp_path: Path) -> None:
    boot = "    Boot Scenario    ${CURDIR}/two.yaml\n"
    messages = robot(
        tmp_path,
        f"Diverges\n{boot}    Training Should Diverge\n"
        f"Faults\n{boot}    Guest Should Fault At    main\n"
        f"Hangs\n{boot}    Guest Should Hang    Train For Epochs    1\n"
        f"Loses The Link\n{boot}    Link Should Be Lost\n"
        f"Breaks\n{boot}    Contract Should Fail\n"
        f"Is Refused\n    Scenario Should Be Refused    ${{CURDIR}}/two.yaml    no reason at all\n"
        f"Has Faults\n{boot}    Train To The End\n    Link Faults Should Be At Least    1\n",
    )
    assert all(messages.values()), messages
    assert messages["Faults"] == "nothing broke; a GuestFault was expected"
    assert messages["Is Refused"].endswith("was accepted; it should have been refused: no reason at all")


def test_bytes_come_and_go_in_hexadecimal(tmp_path: Path) -> None:
    messages = robot(
        tmp_path,
        "Greets\n    Boot Scenario    ${CURDIR}/two.yaml\n    Write Bytes To Uart    00\n"
        "    Wait For Bytes On Uart    03 80 01\n    Test If Uart Is Idle\n"
        "Never Says\n    Wait For Bytes On Uart    ff ff ff    timeout=1 s\n"
        "No Bytes\n    Write Bytes To Uart    hello\n",
    )
    assert messages["Greets"] == ""
    assert messages["Never Says"] == "waited for ff ff ff, received nothing"
    assert "'hello' are no bytes" in messages["No Bytes"]


def test_a_suite_that_begins_in_the_middle_is_told_where_to_begin(tmp_path: Path) -> None:
    messages = robot(tmp_path, "Trains\n    Train For Epochs    1\n")
    assert messages["Trains"] == "no scenario has been booted; begin with Boot Scenario"


def test_boards_are_powered_off_when_the_suite_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Session] = []
    close = Session.close
    monkeypatch.setattr(Session, "close", lambda session: (closed.append(session), close(session)))
    boot = "    Boot Scenario    ${CURDIR}/two.yaml\n"
    assert robot(tmp_path, f"Boots Twice\n{boot}{boot}") == {"Boots Twice": ""}
    assert len({id(session) for session in closed}) == 2


def test_the_import_names_board_and_backend_for_all_scenarios() -> None:
    library = RobotLibrary(board="native", backend="native")
    try:
        library.boot_scenario("tiny", **{"training.epochs": 1})
        assert library.get_result().board == "native"
    finally:
        library.close()


def test_the_report_carries_firmware_and_figures(tmp_path: Path) -> None:
    robot(tmp_path, "Trains\n    Boot Scenario    ${CURDIR}/two.yaml\n    Contract Should Be Fulfilled\n")
    metadata = ExecutionResult(str(tmp_path / "output.xml")).suite.metadata
    assert re.fullmatch(r"SHA-256 [0-9a-f]{64}", metadata["Firmware of two sensors"])
    assert re.search(r"verdict passed, .*final_loss 0\.\d+, .*cost_class none", metadata["Result of two sensors"])


def test_a_run_is_kept_where_the_suite_says(tmp_path: Path) -> None:
    robot(tmp_path, "Keeps\n    Boot Scenario    ${CURDIR}/two.yaml\n    Save Run    ${CURDIR}/kept\n")
    kept = ["firmware.elf", "plan.json", "profile.json", "result.json", "weights.npz"]
    assert sorted(file.name for file in (tmp_path / "kept").iterdir()) == kept
