# SPDX-License-Identifier: Apache-2.0
"""Cycles, memory and energy of training on the emulated boards: conv311k, CWRU, and other networks beside float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trainbed.assets import asset_path
from trainbed.backends.base import Cost, Counts
from trainbed.scenario.loader import load_scenario
from trainbed.session import Session

PHASES = ("forward", "backward", "update")
_LAYERS = ("conv2d", "depthwise_conv2d", "dense")
BOARDS = ("arduino_nano_33_ble", "teensy40", "raspberry_pi_pico")


@dataclass(frozen=True)
class Case:
    """One network on one board; ``changes`` to its 8-bit scenario. The last of ``epochs`` is what counts.

    ``train`` samples are whole batches of the scenario's size: a step is paid by as many as in training.
    """

    network: str
    board: str
    variant: str
    changes: tuple[str, ...] = ()
    epochs: int = 1
    train: int = 16

    @property
    def key(self) -> str:
        return f"{self.network}/{self.board}/{self.variant}"


_FLOAT = ("training.precision=float32", "training.optimizer={sgd: {lr: 0.1}}")
_NARROW = ("quantisation.accumulators=int16",)
_STATIC = ("quantisation={ranges: static, error_range: fixed}",)


def _dynamic(network: str, board: str, share: float, *, epochs: int, train: int) -> Case:
    changes = (f"update={{dynamic: {{lambda_min: {share}}}}}",)
    return Case(network, board, f"uint8 {share:g}".replace("0.", "."), changes, epochs, train)


def _cases() -> tuple[Case, ...]:
    nano, teensy, pico = BOARDS
    fused = (*_FLOAT, "training.fused=true")
    # Of partial updates the last epoch counts: errors have become small by then.
    return (
        Case("conv311k", nano, "float32", _FLOAT),
        Case("conv311k", nano, "uint8"),
        Case("conv311k", nano, "uint8, int16 sums", _NARROW),
        _dynamic("conv311k", nano, 0.1, epochs=3, train=96),
        Case("conv311k", teensy, "float32 fused", fused),
        Case("conv311k", teensy, "uint8"),
        Case("conv311k", pico, "float32", _FLOAT),
        Case("conv311k", pico, "uint8"),
        Case("cwru", nano, "float32", _FLOAT),
        Case("cwru", nano, "uint8"),
        Case("cwru", teensy, "uint8"),
        Case("cwru", pico, "uint8"),
        Case("conv311k", nano, "uint8, ranges and scales fixed", _STATIC),
        _dynamic("conv311k", nano, 0.5, epochs=3, train=96),
        _dynamic("cwru", nano, 0.1, epochs=5, train=160),
        _dynamic("conv311k", teensy, 0.1, epochs=3, train=96),
        Case("cwru", nano, "uint8, int16 sums", _NARROW),
        Case("cwru", teensy, "float32 fused", fused),
        Case("cwru", pico, "float32", _FLOAT),
        *(
            Case(network, nano, variant, changes, train=train)
            for variant, changes in (("float32", _FLOAT), ("uint8", ()))
            for network, train in (("digits", 32), ("mnist", 32), ("imu", 16), ("kws", 16))
        ),
    )


CASES = _cases()


def measure(case: Case) -> dict[str, Any]:
    """One run; cycles by phase and by what they are spent on, of each sample of the last epoch."""
    short = [f"training.epochs={case.epochs}", f"data.train={case.train}", "data.test=6", "expect={}"]
    path = asset_path("scenarios") / f"{case.network}_uint8.yaml"
    with Session(load_scenario(path, [*short, *case.changes]), board=case.board) as session:
        session.build()
        session.boot()
        session.inject()
        if case.epochs > 1:
            session.train(case.epochs - 1)
        before = session.cost()
        (epoch,) = session.train(1)
        after = session.cost()
        result = session.result()
        board = session.prepared.board
    assert epoch.samples_trained == case.train
    share = result.training.update_share
    phases = {phase: _between(before, after, phase, "cycles") / case.train for phase in PHASES}
    waits = sum(_between(before, after, phase, "memory_cycles") for phase in PHASES) / case.train
    energy = board.energy
    return {
        "cycles": phases | {"total": sum(phases.values())},
        "waits": waits,
        "spent": _spent(before, after, case.train),
        "training_bytes": result.memory.training_bytes,
        "ram_bytes": result.memory.ram_bytes,
        "flash_bytes": result.memory.flash_bytes,
        "board_ram": board.ram_bytes,
        "clock_hz": board.clock_hz,
        "energy_uj": energy and (sum(phases.values()) + waits) / board.clock_hz * energy.active_ma * energy.volts * 1e3,
        "share": None if share is None else share[-1],
        "model": result.cost.model,
        "class": result.cost.cost_class,
        "macs_forward": result.model.macs_forward,
    }


def _between(before: Cost, after: Cost, phase: str, what: str) -> int:
    first, last = (getattr(cost.phases.get(phase, Counts()), what) for cost in (before, after))
    return int(last - first)


def _spent(before: Cost, after: Cost, samples: int) -> dict[str, float]:
    """Cycles of a sample by what they are spent on: the function they were counted in, calls not included."""
    spent = dict.fromkeys(("products", "pools", "select", "update", "rest"), 0.0)
    for name, counts in after.functions.items():
        cycles = counts.cycles - before.functions.get(name, Counts()).cycles
        spent[_kind(name)] += cycles / samples
    return spent


def _kind(name: str) -> str:
    if name.startswith(_LAYERS) and ("_forward" in name or "_backward" in name):
        return "products"
    if "_pool_" in name and ("_forward" in name or "_backward" in name):
        return "pools"
    if name.endswith("_select"):
        return "select"
    return "update" if name.startswith(("step_", "update")) else "rest"
