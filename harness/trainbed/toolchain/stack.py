# SPDX-License-Identifier: Apache-2.0
"""The most stack a firmware can need: the compiler's frame sizes along its call graph, library functions by their code.

Nothing interrupts the firmware (PRIMASK stays set), so the deepest chain of calls from the start-up is the whole of it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from trainbed.errors import BuildError
from trainbed.toolchain.elf import ElfFacts

_NODE = re.compile(r'node: \{ title: "([^"]+)" label: "((?:[^"\\]|\\.)*)"')
_EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"(?: label: "([^"]*)")?')
_FRAME = re.compile(r"(\d+) bytes \(([a-z,]+)\)")
_INDIRECT = "__indirect_call"


@dataclass(frozen=True)
class Frame:
    """Stack of one function: its own bytes and the functions it calls."""

    n_bytes: int
    calls: tuple[str, ...]


def stack_bound(root: str, *, graphs: Iterable[Path], elf: Path, facts: ElfFacts, objdump: str) -> int:
    """Bytes of stack the deepest chain of calls from ``root`` needs.

    ``graphs``: the .ci files GCC wrote (-fcallgraph-info=su). ``facts``: of the linked ELF, for functions the compiler
    says nothing about (libgcc): their frames are read from their code.

    Raises BuildError, with the names, for recursion, a frame of unknown size or a call through a pointer.
    """
    frames = _parse(path.read_text(encoding="utf-8") for path in graphs)
    library = _Library(elf, facts, objdump)
    return _depth(root, frames, library)


def _parse(graphs: Iterable[str]) -> dict[str, Frame | str]:
    """Function -> frame, or the reason why its frame has no bound."""
    frames: dict[str, Frame | str] = {}
    for graph in graphs:
        calls: dict[str, list[str]] = {}
        for source, target, where in _EDGE.findall(graph):
            calls.setdefault(source, []).append(target)
            if target == _INDIRECT:
                frames[source] = f"{_plain(source)} calls through a pointer ({_base(where)})"
        for title, label in _NODE.findall(graph):
            frame = _FRAME.search(label)
            if frame is None or title in frames:
                continue
            n_bytes, kind = frame.groups()
            if kind == "dynamic":
                frames[title] = f"the frame of {_plain(title)} has no fixed size"
            else:
                frames[title] = Frame(int(n_bytes), tuple(calls.get(title, ())))
    return frames


def _depth(root: str, frames: Mapping[str, Frame | str], library: _Library) -> int:
    done: dict[str, int] = {}
    path: list[str] = []

    def visit(name: str) -> int:
        if name in done:
            return done[name]
        if name in path:
            chain = " -> ".join(_plain(step) for step in [*path[path.index(name) :], name])
            raise BuildError(f"the stack cannot be bounded: recursion {chain}")
        frame = frames.get(name) or library.frame(name)
        if isinstance(frame, str):
            raise BuildError(f"the stack cannot be bounded: {frame}")
        path.append(name)
        deepest = max((visit(callee) for callee in frame.calls), default=0)
        path.pop()
        done[name] = frame.n_bytes + deepest
        return done[name]

    return visit(root)


def _plain(title: str) -> str:
    return title.rpartition(":")[2]


def _base(where: str) -> str:
    return where.rpartition("/")[2] or "unknown line"


class _Library:
    """Frames of functions that came without figures, from their disassembly. Every push of a function is added up."""

    def __init__(self, elf: Path, facts: ElfFacts, objdump: str) -> None:
        self._elf = elf
        self._entries = facts.entries
        self._sizes = {start: size for start, size, _ in facts.functions}
        self._functions = facts.functions
        self._objdump = objdump

    def frame(self, name: str) -> Frame | str:
        if name not in self._entries:
            # In the compiler's graph but not in the ELF: a built-in that became an instruction (sqrtf: VSQRT).
            return Frame(0, ())
        start = self._entries[name]
        size = self._sizes[start]
        window = [f"--start-address={start}", f"--stop-address={start + size}"]
        done = subprocess.run(
            [self._objdump, "-d", "--no-show-raw-insn", *window, str(self._elf)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BuildError(f"{self._objdump} cannot read {self._elf.name}: {done.stderr.strip()}")
        return self._read(name, start, size, done.stdout)

    def _read(self, name: str, start: int, size: int, listing: str) -> Frame | str:
        n_bytes = 0
        calls: list[str] = []
        for line in listing.splitlines():
            match = re.match(r"\s*[0-9a-f]+:\s+(\S+)\s*([^;@]*)", line)
            if match is None:
                continue
            mnemonic, operands = match.group(1), match.group(2).strip()
            pushed = _pushed(mnemonic, operands)
            if pushed is None:
                return f"{name} moves the stack pointer by an unknown amount ({mnemonic} {operands})"
            n_bytes += pushed
            if mnemonic.startswith("blx") or (mnemonic.startswith("bx") and operands != "lr"):
                return f"{name} calls through a pointer ({mnemonic} {operands})"
            target = re.match(r"b(?!ic|fc|fi|kpt)\S*$", mnemonic) and re.match(r"(?:r\d+, )?([0-9a-f]+) <", operands)
            if target:
                address = int(target.group(1), 16)
                if not start <= address < start + size:
                    calls.append(self._owner(address))
        return Frame(n_bytes, tuple(calls))

    def _owner(self, address: int) -> str:
        for start, size, name in self._functions:
            if start <= address < start + size:
                return name
        return f"0x{address:08x}"


def _pushed(mnemonic: str, operands: str) -> int | None:
    """Bytes an instruction takes from the stack; 0 for one that takes none; None when that cannot be told."""
    base = mnemonic.split(".")[0]
    if base in ("push", "vpush") or (base in ("stmdb", "vstmdb", "stmfd") and operands.startswith("sp!")):
        return sum(
            _registers(item.strip()) for item in operands[operands.index("{") + 1 : operands.index("}")].split(",")
        )
    indexed = re.search(r"\[sp, #-(\d+)\]!", operands)
    if indexed:
        return int(indexed.group(1))
    if base in ("sub", "subw", "subs") and re.match(r"sp(,|$)", operands):
        amount = re.search(r"#(\d+)$", operands)
        return int(amount.group(1)) if amount else None
    if base in ("mov", "movs", "bic", "and", "msr") and re.match(r"(sp|msp|MSP)\b", operands):
        return None
    return 0


def _registers(item: str) -> int:
    first, _, last = item.partition("-")
    each = 8 if first.startswith("d") else 4
    return each if not last else each * (int(last[1:]) - int(first[1:]) + 1)
