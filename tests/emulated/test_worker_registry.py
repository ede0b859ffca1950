# SPDX-License-Identifier: Apache-2.0
"""Which backend runs a board: the first usable of its list, or a typed error that says what to do."""

from __future__ import annotations

import importlib.util

import pytest

from trainbed.backends.registry import BACKENDS, available, choose_backend
from trainbed.boards import load_board
from trainbed.errors import InputError, MissingTool

NANO = "arduino_nano_33_ble"


def test_auto_takes_the_first_backend_of_the_board_that_works_here() -> None:
    assert choose_backend(load_board(NANO)) == "unicorn"
    assert choose_backend(load_board("native")) == "native"


def test_a_backend_the_board_does_not_list_is_refused() -> None:
    with pytest.raises(InputError, match="'native' does not run this board; arduino_nano_33_ble runs on: unicorn"):
        choose_backend(load_board(NANO), "native")
    with pytest.raises(InputError, match="'unicorn' does not run this board"):
        choose_backend(load_board("native"), "unicorn")
    with pytest.raises(InputError, match="'unicron' is no backend"):
        choose_backend(load_board(NANO), "unicron")


def test_a_missing_emulator_comes_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert available("unicorn") == (False, "", "pip install 'trainbed[unicorn]'")
    with pytest.raises(MissingTool, match=r"pip install 'trainbed\[unicorn\]'"):
        choose_backend(load_board(NANO), "unicorn")


def test_every_backend_can_be_asked_for() -> None:
    for backend in BACKENDS:
        usable, version, _ = available(backend)
        assert bool(version) == usable
