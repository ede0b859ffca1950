# SPDX-License-Identifier: Apache-2.0
"""The most stack an AVR firmware can need, read from the linked code: every way through every function, with the depth
of the stack at each call. GCC 5 writes no call graph, and the library is assembly; the code is there for both.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass, replace

from trainbed.avr.instructions import Kind, decode, target
from trainbed.errors import BuildError

_ABSURD = 1 << 16
_SPL, _SPH, _Y_LOW, _Y_HIGH = 0x3D, 0x3E, 28, 29


@dataclass(frozen=True)
class Call:
    """A call or a jump into another function, with the bytes on the stack when the callee begins."""

    depth: int
    target: int


@dataclass(frozen=True)
class Frame:
    """What one function does to the stack: its own deepest point, its return address not counted, and its calls."""

    n_bytes: int
    calls: tuple[Call, ...]


def stack_bound(root: str, *, code: bytes, functions: tuple[tuple[int, int, str], ...], return_bytes: int) -> int:
    """Bytes of stack the deepest chain of calls from ``root`` needs, and one interrupt on top, which only wakes.

    ``code``: the flash from address 0. ``functions``: (address, size, name) of all. ``return_bytes``: size of a return
    address. Raises BuildError, with the names, for recursion, a call through a pointer and a stack moved by an unknown
    amount.
    """
    starts = sorted(start for start, _, _ in functions)
    names = {start: name for start, _, name in functions}
    ends = dict(zip(starts, [*starts[1:], len(code)], strict=True))
    done: dict[int, int] = {}
    path: list[int] = []

    def visit(address: int) -> int:
        if address in done:
            return done[address]
        if address in path:
            chain = " -> ".join(names.get(step, hex(step)) for step in [*path[path.index(address) :], address])
            raise BuildError(f"the stack cannot be bounded: recursion {chain}")
        # The library jumps into shared endings, which lie behind a function and belong to it.
        owner = starts[bisect.bisect_right(starts, address) - 1]
        path.append(address)
        frame = read_frame(code, address, (owner, ends[owner]), name=names[owner], return_bytes=return_bytes)
        done[address] = max([frame.n_bytes, *(call.depth + visit(call.target) for call in frame.calls)])
        path.pop()
        return done[address]

    start = next(address for address, name in names.items() if name == root)
    return visit(start) + return_bytes


@dataclass(frozen=True)
class _State:
    """At one instruction: bytes on the stack, and the same for where Y points if it was read from the stack pointer.

    ``kept``: what Y was at each push of it that is not popped yet; kernels borrow it.
    """

    depth: int
    y: int | None = None
    kept: tuple[int | None, ...] = ()


def read_frame(code: bytes, entry: int, bounds: tuple[int, int], *, name: str, return_bytes: int) -> Frame:
    """Follows every way through a function. Raises BuildError where the stack cannot be followed."""
    seen: dict[int, _State] = {}
    todo = [(entry, _State(0))]
    calls: set[Call] = set()
    deepest = 0
    while todo:
        address, state = todo.pop()
        if address in seen and seen[address].depth >= state.depth:
            continue
        if not bounds[0] <= address < bounds[1]:
            calls.add(Call(state.depth, address))
            continue
        if state.depth > _ABSURD:
            raise BuildError(f"the stack cannot be bounded: {name} pushes in a loop")
        seen[address] = state
        deepest = max(deepest, state.depth)
        word, second = _word(code, address), _word(code, address + 2)
        after = address + 2 * decode(word).words
        kind = decode(word).kind
        if kind in (Kind.CALL_INDIRECT, Kind.JUMP_INDIRECT):
            raise BuildError(f"the stack cannot be bounded: {name} calls through a pointer (0x{address:x})")
        to = target(address, word, second)
        if kind is Kind.CALL and to == after:  # a call of what follows it makes room on the stack and does nothing else
            todo.append((after, replace(state, depth=state.depth + return_bytes)))
            continue
        if kind is Kind.CALL and to is not None:
            calls.add(Call(state.depth + return_bytes, to))
        todo += [(where, _after(word, state, name)) for where in _following(code, address, to)]
    return Frame(deepest, tuple(sorted(calls, key=lambda call: (call.target, call.depth))))


def _following(code: bytes, address: int, to: int | None) -> Iterator[int]:
    """Where control may be next, calls returned from."""
    word = _word(code, address)
    instruction = decode(word)
    after = address + 2 * instruction.words
    if instruction.kind is Kind.JUMP:
        assert to is not None
        yield to
    elif instruction.kind is not Kind.RETURN:
        yield after
        if instruction.kind is Kind.BRANCH:
            assert to is not None
            yield to
        elif instruction.kind is Kind.SKIP:
            yield after + 2 * decode(_word(code, after)).words


def _after(word: int, state: _State, name: str) -> _State:
    """The state behind an instruction."""
    instruction = decode(word)
    register = word >> 4 & 0x1F
    port = (word >> 5 & 0x30) | (word & 0x0F)
    if instruction.kind is Kind.PUSH:
        kept = (*state.kept, state.y) if register == _Y_LOW else state.kept
        return replace(state, depth=state.depth + 1, kept=kept)
    if instruction.kind is Kind.POP:
        if register == _Y_LOW and state.kept:
            return _State(state.depth - 1, state.kept[-1], state.kept[:-1])
        return replace(state, depth=state.depth - 1, y=None if register in (_Y_LOW, _Y_HIGH) else state.y)
    if instruction.name == "in" and port == _SPL and register == _Y_LOW:
        return replace(state, y=state.depth)
    if instruction.name == "out" and port == _SPL:
        if register != _Y_LOW or state.y is None:
            raise BuildError(f"the stack cannot be bounded: {name} moves the stack pointer by an unknown amount")
        return replace(state, depth=state.y)
    if state.y is None:
        return state
    constant = (word >> 4 & 0xF0) | (word & 0x0F)
    if instruction.name in ("adiw", "sbiw") and (word >> 4 & 3) == 2:
        amount = (word >> 2 & 0x30) | (word & 0x0F)
        return replace(state, y=state.y + (amount if instruction.name == "sbiw" else -amount))
    if instruction.name == "subi" and (word >> 4 & 0x0F) + 16 == _Y_LOW:
        return replace(state, y=state.y + constant)
    if instruction.name == "sbci" and (word >> 4 & 0x0F) + 16 == _Y_HIGH:
        high = constant if constant < 0x80 else constant - 0x100
        return replace(state, y=state.y + (high << 8))
    return state


def _word(code: bytes, address: int) -> int:
    return int.from_bytes(code[address : address + 2], "little") if address + 1 < len(code) else 0xFFFF
