# SPDX-License-Identifier: Apache-2.0
"""How a run broke, as a plain value that crosses the worker's pipe; the parent turns it into a typed error.

The worker knows addresses and function names. Lines come from the ELF's debug data, which the parent reads: a worker
that loaded it would start slower for the sake of the runs that fail.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

from trainbed.errors import EmulatorCrash, GuestError, GuestFault, GuestHang, GuestReset


@dataclass(frozen=True)
class Failure:
    """``what`` is ``fault``, ``hang``, ``reset`` or ``crash``; ``kind`` is the fault's kind (see GuestFault)."""

    what: str
    pc: int
    detail: str = ""
    kind: str = ""
    function: str = ""
    """Name of the function ``pc`` lies in, as far as the worker knows."""
    caller: int | None = None
    """Where the guest came from when ``pc`` is a place no code belongs to; named instead of ``pc``."""


class GuestStopped(Exception):
    """Raised inside a worker; ``failure`` travels to the parent."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.detail)


def as_error(failure: Failure, elf: Path | None) -> GuestError:
    """The typed error of a failure, with ``function (file:line)`` from the ELF where it can be told."""
    where = locate(elf, failure)
    if failure.what == "fault":
        return GuestFault(failure.kind, pc=failure.pc, where=where, detail=failure.detail)
    if failure.what == "hang":
        return GuestHang(f"{failure.detail}; it was at {where} (pc 0x{failure.pc:08x})")
    if failure.what == "reset":
        return GuestReset(f"{failure.detail}, requested at {where} (pc 0x{failure.pc:08x})")
    return EmulatorCrash(failure.detail)


def locate(elf: Path | None, failure: Failure) -> str:
    """``function (file:line)``; falls back to the function's name alone, then to the address."""
    fallback = failure.function or f"0x{failure.pc:08x}"
    if elf is None:
        return fallback
    try:
        return str(
            importlib.import_module("trainbed.toolchain.elf").locate(
                elf, failure.pc if failure.caller is None else failure.caller
            )
        )
    except Exception:  # a broken or stripped ELF must not hide the failure itself
        return fallback
