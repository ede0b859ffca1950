# SPDX-License-Identifier: Apache-2.0
"""What is kept of a guest that broke: one post_mortem.json with everything a person reads, ram.bin, the firmware.

The folder appears whole, by one rename, or not at all. A backend that cannot tell a guest's state keeps nothing, and
whatever goes wrong here never hides the error itself.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from trainbed.backends.base import Guest, GuestState, KeepsState
from trainbed.backends.ported import read_symbols
from trainbed.debug.unwind import stack_trace
from trainbed.errors import GuestError, GuestFault
from trainbed.planner.graph import Role
from trainbed.planner.plan import Plan
from trainbed.prepare import Built
from trainbed.toolchain.cache import cache_root

SCHEMA = 1
STATE_FILE, RAM_FILE, ELF_FILE = "post_mortem.json", "ram.bin", "firmware.elf"
LOG_FILE = "emulator.log"
_KIND = "post_mortem"
_KEPT = 16
"""Folders in the cache; the oldest go."""
_VALUES = 4
"""First values of each place in memory."""


def keep(error: GuestError, *, guest: Guest | None, built: Built, backend: str, folder: Path | None) -> Path | None:
    """Keep what is known of a broken guest; returns the folder, None when its backend tells nothing.

    ``folder`` is replaced; None: one in the cache.
    """
    if not isinstance(guest, KeepsState):
        return None
    try:
        state = guest.state()
        report = describe(error, state, built=built, backend=backend)
        content = json.dumps(report, indent=2) + "\n"
        if folder is None:
            folder = cache_root() / _KIND / hashlib.sha256(content.encode()).hexdigest()[:16]
        _write(folder, content, state, built.firmware.image.elf)
        if folder.parent == cache_root() / _KIND:
            _forget_old(folder.parent)
    except Exception:  # the run broke for a reason of its own; that is the error to show
        return None
    return folder


def describe(error: GuestError, state: GuestState, *, built: Built, backend: str) -> dict[str, Any]:
    """What post_mortem.json says. Raises OSError, ValueError when the ELF cannot be read."""
    image = built.firmware.image

    def read(address: int, n_bytes: int) -> bytes:
        for origin, content in state.memories:
            if origin <= address and address + n_bytes <= origin + len(content):
                return content[address - origin : address - origin + n_bytes]
        raise LookupError

    return {
        "schema": SCHEMA,
        "error": {
            "what": type(error).__name__,
            "kind": error.kind if isinstance(error, GuestFault) else None,
            "message": str(error),
        },
        "scenario": built.prepared.scenario.name,
        "board": built.prepared.board.name,
        "backend": backend,
        "firmware": {"file": ELF_FILE, "sha256": image.sha256},
        "registers": dict(state.registers),
        "stack": [
            {"pc": frame.pc, "where": frame.where, "how": frame.how}
            for frame in stack_trace(image.elf, state.registers, read)
        ],
        "uart": [{"from": end, "bytes": data.hex()} for end, data in state.uart],
        "memory": _places(built.prepared.plan, image.elf, read),
        "ram": [
            {"file": RAM_FILE, "offset": offset, "address": origin, "bytes": len(content)}
            for offset, (origin, content) in zip(_offsets(state), state.memories, strict=True)
        ],
    }


def load(folder: Path) -> dict[str, Any]:
    """The report of a kept state. Raises OSError, ValueError when the folder holds none."""
    report: dict[str, Any] = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
    if not isinstance(report, dict) or report.get("schema") != SCHEMA:
        raise ValueError(f"not a {STATE_FILE} of schema {SCHEMA}")
    return report


# --- inside ----------------------------------------------------------------------------------------------------------


def _places(plan: Plan, elf: Path, read: Any) -> list[dict[str, Any]]:
    """Every piece of the arena and every layer's parameters: where, how large, what it is for, its first values."""
    symbols = {name: address for name, (address, _) in read_symbols(elf, ("trn_arena", "trn_parameters")).items()}
    places = []
    if "trn_arena" in symbols:
        for storage in plan.storages:
            as_floats = storage.slots[0].role not in (Role.BITS, Role.INDEX)
            title = ", then ".join(map(str, storage.slots))
            places.append(_place(symbols["trn_arena"] + storage.offset, storage.n_bytes, title, read, as_floats))
    start = symbols.get("trn_parameters")
    for field in plan.parameters.fields if start is not None else ():
        if not field.in_flash:
            assert start is not None
            title = f"{field.what} of {field.layer}"
            places.append(_place(start + field.offset, field.n_bytes, title, read, field.dtype == "float32"))
    return places


def _place(address: int, n_bytes: int, title: str, read: Any, as_floats: bool) -> dict[str, Any]:
    size = 4 if as_floats else 1
    n = min(_VALUES, n_bytes // size)
    try:
        data = read(address, n * size)
    except LookupError:
        data, n = b"", 0
    values = struct.unpack(f"<{n}{'f' if as_floats else 'B'}", data)
    # JSON knows no NaN; a diverged network's memory is full of them.
    return {"address": address, "bytes": n_bytes, "holds": title, "first_values": [f"{value:.9g}" for value in values]}


def _offsets(state: GuestState) -> Sequence[int]:
    offsets, at = [], 0
    for _, content in state.memories:
        offsets.append(at)
        at += len(content)
    return offsets


def _write(folder: Path, content: str, state: GuestState, elf: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        (temporary / RAM_FILE).write_bytes(b"".join(memory for _, memory in state.memories))
        shutil.copyfile(elf, temporary / ELF_FILE)
        if state.log:
            (temporary / LOG_FILE).write_bytes(state.log)
        (temporary / STATE_FILE).write_text(content, encoding="utf-8")
        temporary.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _forget_old(parent: Path) -> None:
    kept = sorted((path for path in parent.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for path in kept[:-_KEPT]:
        with suppress(OSError):
            shutil.rmtree(path)


def render(report: Mapping[str, Any], folder: Path) -> str:
    """A report for people."""
    error = report["error"]
    lines = [f"{error['what']}: {error['message']}"]
    lines.append(f"scenario {report['scenario']}, board {report['board']}, on {report['backend']}")
    lines += ["", "Stack"]
    notes = {"register": "", "frame": "", "exception": "  (interrupted)", "scanned": "  (a guess: found on the stack)"}
    for i, frame in enumerate(report["stack"]):
        lines.append(f"  #{i:<2} 0x{frame['pc']:08x}  {frame['where']}{notes.get(frame['how'], '')}")
    lines += ["", "Registers"]
    shown = [(name, value) for name, value in report["registers"].items() if not name.startswith("d")]
    for start in range(0, len(shown), 4):
        lines.append("  " + "  ".join(f"{name:>9} 0x{value:08x}" for name, value in shown[start : start + 4]))
    lines += _floats(report["registers"])
    lines += ["", "Memory", f"  {'address':>10} {'bytes':>8}  first values, what it holds"]
    for place in report["memory"]:
        values = " ".join(place["first_values"])
        lines.append(f"  0x{place['address']:08x} {place['bytes']:>8}  [{values}]  {place['holds']}")
    lines += ["", "UART, the last transfers"]
    for transfer in report["uart"]:
        data = transfer["bytes"]
        tail = ("... " if len(data) > 64 else "") + " ".join(
            data[-64:][i : i + 2] for i in range(0, len(data[-64:]), 2)
        )
        lines.append(f"  {transfer['from']:>5}  {len(data) // 2:>4} bytes  {tail}")
    lines += ["", "RAM"]
    for memory in report["ram"]:
        where = f"0x{memory['address']:08x}, {memory['bytes']} bytes"
        lines.append(f"  {where}: {folder / memory['file']} from byte {memory['offset']}")
    return "\n".join(lines)


def _floats(registers: Mapping[str, int]) -> list[str]:
    """s0 to s31, which is what a kernel works with."""
    doubles = [registers[f"d{i}"] for i in range(16) if f"d{i}" in registers]
    singles = struct.unpack(f"<{2 * len(doubles)}f", b"".join(value.to_bytes(8, "little") for value in doubles))
    return [
        "  " + "  ".join(f"{f's{start + i}':>9} {value:<10.5g}" for i, value in enumerate(singles[start : start + 4]))
        for start in range(0, len(singles), 4)
    ]
