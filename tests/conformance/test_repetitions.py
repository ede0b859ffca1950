# SPDX-License-Identifier: Apache-2.0
"""The same scenario, over and over on a busy host: the same result to the byte, on every backend."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conformance_cases import write_case

from trainbed.backends.registry import availability
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario

_PLACES = {
    "unicorn": "arduino_nano_33_ble",
    "qemu": "mps2_an386",
    "renode": "arduino_nano_33_ble",
    "simavr": "arduino_mega",
    "yasimavr": "atmega4809_xplained",
    "native": "native",
}


@pytest.fixture
def busy_host() -> Iterator[None]:
    """More processes that compute than the host has cores."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    yield
    for loop in loops:
        loop.kill()
        loop.wait()


@pytest.mark.parametrize("repetitions", [3, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
@pytest.mark.parametrize("backend", _PLACES)
@pytest.mark.usefixtures("busy_host")
def test_repetitions_on_a_busy_host_are_byte_equal(backend: str, repetitions: int, tmp_path: Path) -> None:
    found = availability(backend)
    if not found.usable:
        pytest.skip(f"{found.reason}; install it with: {found.install}")
    scenario = load_scenario(write_case("regression", tmp_path))
    results = {
        run_scenario(scenario, board=_PLACES[backend], backend=backend).deterministic_json() for _ in range(repetitions)
    }
    assert len(results) == 1
