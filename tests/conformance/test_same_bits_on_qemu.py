# SPDX-License-Identifier: Apache-2.0
"""QEMU's boards train to the twin's bits: floats in software on the Cortex-M3 and M0, another FPU on the M7."""

from __future__ import annotations

from pathlib import Path

import pytest
from conformance_cases import CASES, write_case

from trainbed.backends.registry import availability
from trainbed.result import Verdict
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario

pytestmark = pytest.mark.skipif(not availability("qemu").usable, reason=availability("qemu").reason or "no QEMU")

_OTHERS = [pytest.param(board, marks=pytest.mark.slow) for board in ("mps2_an386", "mps2_an500", "netduinoplus2")]


@pytest.mark.parametrize("board", ["mps2_an385", *_OTHERS])
@pytest.mark.parametrize("name", CASES)
def test_a_board_on_qemu_ends_with_the_weights_of_the_twin(name: str, board: str, tmp_path: Path) -> None:
    path = write_case(name, tmp_path, expect="expect: {matches_reference: exact}\n")
    result = run_scenario(load_scenario(path), board=board)
    assert result.backend.name == "qemu"
    assert result.verdict is Verdict.PASSED, result.expectations
