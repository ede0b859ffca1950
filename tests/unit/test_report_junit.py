# SPDX-License-Identifier: Apache-2.0
"""Contracts as JUnit XML."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from results import a_result

from trainbed.cli import main
from trainbed.errors import GuestFault
from trainbed.report.junit import TRAINING, junit_xml, reported
from trainbed.report.sources import Run, read_source
from trainbed.result import Expectation, StopReason

EXPECTATIONS = (
    Expectation("test_accuracy", True, 0.75, {"min": 0.7}),
    Expectation("cycles_per_sample", False, 350.5, {"max": 300}),
)


def a_run(**changed: object) -> Run:
    return Run("a run", Path("out"), replace(a_result(), **changed))  # type: ignore[arg-type]


def test_each_expectation_is_a_test_case_and_the_figures_are_properties() -> None:
    (suite,) = ET.fromstring(junit_xml([a_run(expectations=EXPECTATIONS)]))
    assert (suite.get("tests"), suite.get("failures"), suite.get("name")) == ("3", "1", "a run")
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert list(cases) == [TRAINING, "test_accuracy", "cycles_per_sample"]
    assert {case.get("classname") for case in cases.values()} == {"arduino_nano_33_ble.unicorn"}
    failure = cases["cycles_per_sample"].find("failure")
    assert failure is not None and failure.get("message") == "350.5, expected at most 300"
    assert "mean loss of each epoch" in (failure.text or "")
    assert cases["test_accuracy"].find("failure") is None
    properties = {item.get("name"): item.get("value") for item in suite.iter("property")}
    assert properties["cycles_per_sample"] == "350.5" and properties["firmware_sha256"] == "cd"


def test_training_that_diverged_fails_its_own_test_case() -> None:
    root = ET.fromstring(junit_xml([a_run(stop_reason=StopReason.DIVERGED)]))
    failure = root.find(f"testsuite/testcase[@name='{TRAINING}']/failure")
    assert failure is not None and failure.get("message") == "training stopped: diverged"
    assert (root.get("tests"), root.get("failures")) == ("1", "1")


def test_each_row_of_a_sweep_is_a_test_case(tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text(
        "axes.training.seed,board,verdict,test.accuracy\n1,native,passed,0.9\n2,native,failed,0.4\n", encoding="utf-8"
    )
    (suite,) = ET.fromstring(junit_xml([read_source(tmp_path)]))
    cases = list(suite.iter("testcase"))
    assert [case.get("name") for case in cases] == ["training.seed=1", "training.seed=2"]
    assert [case.find("failure") is not None for case in cases] == [False, True]
    assert [item.get("value") for item in cases[0].iter("property")] == ["native", "passed", "0.9"]


def test_what_xml_cannot_carry_is_replaced() -> None:
    name = "a <run> & a \x00 bell \x07"
    (suite,) = ET.fromstring(junit_xml([a_run(scenario=replace(a_result().scenario, name=name))]))
    assert suite.get("name") == "a <run> & a � bell �"


def test_run_writes_it_too(tmp_path: Path, scenario_file: object) -> None:
    assert callable(scenario_file)
    path = scenario_file(
        ("board: arduino_nano_33_ble", "board: native"), ("expect: {}", "expect: {final_loss: {max: 0}}")
    )
    code = main(["run", str(path), "--out", str(tmp_path / "run"), "--json", "--junit", str(tmp_path / "ci" / "j.xml")])
    assert code == 1
    root = ET.parse(tmp_path / "ci" / "j.xml").getroot()
    assert (root.get("tests"), root.get("failures")) == ("2", "1")


def test_a_guest_that_breaks_is_an_error_and_not_silence(tmp_path: Path) -> None:
    fault = GuestFault("read_unmapped", pc=0x1234, where="dense_1_forward (dense.h:40)")
    with pytest.raises(GuestFault), reported(tmp_path / "j.xml", "a run", tmp_path):
        raise fault
    root = ET.parse(tmp_path / "j.xml").getroot()
    error = root.find(f"testsuite/testcase[@name='{TRAINING}']/error")
    assert error is not None and error.get("type") == "GuestFault"
    assert error.get("message") == "read unmapped at dense_1_forward (dense.h:40) (pc 0x00001234)"
    assert (root.get("errors"), root.get("failures")) == ("1", "0")
