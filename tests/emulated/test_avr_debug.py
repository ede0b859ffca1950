# SPDX-License-Identifier: Apache-2.0
"""avr-gdb on a running scenario, and the state that is kept of an AVR guest that broke."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from avr_boards import each_core, needs_avr
from gdb_session import debug

from trainbed.debug.session import AVR_GDBS
from trainbed.run import run_scenario
from trainbed.scenario import load_scenario
from trainbed.session import Session

pytestmark = needs_avr

needs_gdb = pytest.mark.skipif(not any(map(shutil.which, AVR_GDBS)), reason="no gdb for AVR")
TINY = Path("scenarios/tiny.yaml")


@needs_gdb
@each_core
def test_a_session_that_looks_and_steps_trains_the_same_weights(board: str) -> None:
    scenario = load_scenario(TINY, ["training.epochs=1"])
    found = debug(
        scenario,
        "break dense_1_backward_weights",
        "continue",
        "backtrace 3",
        "step",
        "finish",
        "stepi",
        "p trn_parameters[0]",
        "p $SP < 0x10000",
        "x/2i 0",
        "delete",
        "continue",
        board=board,
    )
    assert found.has("0x00000000 in trn_vectors ()", "Breakpoint 1, dense_1_backward_weights (x=0x80", "model.c:")
    assert found.has(
        "#1 ", "trn_model_train_sample (", "#2 ", "train.c:", "trn_dense_backward_weights(x, e, gw, gb, 2, 4)"
    )
    assert found.has("$1 = 0.34868", "jmp", "exited normally]")
    with Session(scenario, board=board) as session:
        session.train()
        assert found.weights_sha256 == session.weights_sha256()


@needs_gdb
def test_what_gdb_changes_is_changed(tmp_path: Path) -> None:
    scenario = load_scenario(TINY, ["training.epochs=1"])
    found = debug(
        scenario, "break trn_model_train_sample", "continue", "set var trn_parameters[0] = 2.5", "p trn_parameters[0]",
        "set var $r20 = 7", "p $r20", "delete", "continue", board="arduino_uno",
    )  # fmt: skip
    assert found.has("$1 = 2.5", "$2 = 7", "exited normally]")
    assert found.weights_sha256 != run_scenario(scenario, board="arduino_uno").weights.sha256


@each_core
def test_what_is_kept_of_a_guest_that_broke_names_its_callers(board: str, tmp_path: Path) -> None:
    """A budget too small ends a run in the middle of a kernel."""
    scenario = load_scenario(TINY, ["training.epochs=1"])
    with Session(scenario, board=board) as session:
        session.post_mortem = tmp_path / "kept"
        session.inject()
        guest = session.guest
        exchange = guest.exchange
        guest.exchange = _hasty(exchange)  # type: ignore[method-assign]
        with pytest.raises(Exception, match="spent its budget") as hang:
            session.train()
    report = json.loads((tmp_path / "kept" / "post_mortem.json").read_text())
    assert report["error"]["message"] == str(hang.value)
    assert {"r0", "r31", "sreg", "sp", "pc"} <= set(report["registers"])
    callers = [frame["where"].split(" ")[0] for frame in report["stack"]]
    assert "trn_start" in callers
    assert any(name in callers for name in ("trn_model_train_sample", "trn_train_request", "trn_app_handle", "main"))
    places = {place["holds"]: place["first_values"] for place in report["memory"]}
    assert any(values and float(values[0]) != 0.0 for name, values in places.items() if name.startswith("weights"))


def _hasty(exchange: Callable[..., bytes]) -> Callable[..., bytes]:
    from trainbed.backends.base import Budget

    def with_less(data: bytes, *, budget: Budget) -> bytes:
        return exchange(data, budget=Budget(cycles=60_000, steps=budget.steps, wall_s=budget.wall_s))

    return with_less
