# SPDX-License-Identifier: Apache-2.0
"""What holds for every test: options, what CI must have, scenarios written on the spot."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from small_scenario import SCENARIO

REQUIRED_IN_CI = ("native", "unicorn", "qemu", "simavr", "yasimavr")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--update`` rewrites what tests hold documents and golden files against."""
    parser.addoption("--update", action="store_true", help="rewrite generated tables and golden files")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Tests skip where a backend is missing; in CI that would be a hole nobody sees. And processes under test
    are to hear Ctrl-C.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell starts background jobs so, and children inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not os.environ.get("CI"):
        return
    from trainbed.backends.registry import availability

    for backend in (*REQUIRED_IN_CI, *os.environ.get("TRAINBED_REQUIRED_BACKENDS", "").split()):
        found = availability(backend)
        if not found.usable:
            raise pytest.UsageError(f"CI needs the {backend} backend: {found.reason}; {found.install}")
    from browser import INSTALL, chromium

    if chromium() is None:
        raise pytest.UsageError(f"CI needs a browser that opens the report; {INSTALL}")


settings.register_profile("trainbed", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("trainbed")


@pytest.fixture
def scenario_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes the small scenario, with pieces of its text replaced: scenario_file(("epochs: 5", "epochs: 0"))."""

    def write(*replaced: tuple[str, str]) -> Path:
        text = SCENARIO
        for old, new in replaced:
            assert text.count(old) == 1, f"'{old}' stands {text.count(old)} times in the scenario"
            text = text.replace(old, new)
        path = tmp_path / "scenario.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
