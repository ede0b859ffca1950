# SPDX-License-Identifier: Apache-2.0
"""Counts instructions and cycles of a Unicorn guest from one native block hook.

Attach a `BlockCounter` after the firmware is in guest memory and before the first start::

    counter = BlockCounter("cortex-m4", memory="nrf52840", marks={elf.symbol("trn_mark_forward"): 1})
    counter.attach(uc)
    counter.next_event = 64_000
    uc.emu_start(entry | 1, 0xFFFFFFFF)   # comes back when 64 000 cycles are spent
    counter.phase_counts()["forward"].cycles

What a block costs comes from `trainbed.backends.timing`; it is decoded once and kept on disk, keyed by the code itself.
"""

from __future__ import annotations

import ctypes
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unicorn import UC_HOOK_BLOCK, UC_HOOK_CODE, UC_HOOK_MEM_READ, UC_PROT_EXEC, arm_const
from unicorn.unicorn_py3.unicorn import Uc, UcError
from unicorn.unicorn_py3.unicorn import uclib as _engine  # the library instance the binding itself has loaded

from trainbed.backends.base import PHASES
from trainbed.backends.hook_library import Block, Count, Division, Miss, Segment, State, native_library
from trainbed.backends.timing import BlockCost, TimingModel, model_for
from trainbed.backends.timing.block_cache import BlockCostCache
from trainbed.backends.timing.model import SIXTEENTHS

NEVER = 2**63
"""`BlockCounter.next_event` of a guest that is not to be stopped."""

_TRAINED = ("forward", "backward", "update")
_NO_PHASE = 255
_NO_FLOAT = 0xFF
_INDIRECT, _OPEN_END, _JOINS = 0x80, 0x40, 0x20
_WAYS = 2
_HOST_LINE = 64
_PAGE = 1024  # Unicorn ends a block of Thumb-M code where a page of this size ends
_LOOK_BACK = 48
_REGISTER_BASE = arm_const.UC_ARM_REG_R0
_SPECIAL_REGISTERS = {
    13: arm_const.UC_ARM_REG_SP,
    14: arm_const.UC_ARM_REG_LR,
    15: arm_const.UC_ARM_REG_PC,
}


@dataclass(frozen=True)
class PhaseCount:
    """Cost of one phase or function: core cycles at zero wait states, cycles the memory adds, instructions."""

    cycles: int
    memory_cycles: int
    instructions: int


def _address_of(function: Any) -> int | None:
    return ctypes.cast(function, ctypes.c_void_p).value


def _register_id(number: int) -> int:
    return int(_SPECIAL_REGISTERS.get(number, _REGISTER_BASE + number))


class BlockCounter:
    """Counts instructions, core cycles and memory cycles of a Unicorn guest with one native block hook.

    Args:
        core: core model, such as "cortex-m4".
        memory: memory model, such as "nrf52840"; None: everything runs at zero wait states.
        marks: address of a trn_mark_* function -> phase number. A block that starts there switches the phase; the mark
            function itself, its call's branch and its return are charged to the new phase.
        functions: (start address, size in bytes, name), for the profile.
        data_reads: charge the memory's wait states for data read through pointers too (tables in flash), not only for
            literals. Needs a memory hook, which makes the guest about five times slower.

    Raises:
        UnknownModel: no such core or memory (an `InputError` and a `ValueError`).
        MissingTool: the host has no C compiler and no compiled hook is cached.
    """

    def __init__(
        self,
        core: str,
        *,
        memory: str | None = None,
        marks: Mapping[int, int] = {},
        functions: Sequence[tuple[int, int, str]] = (),
        data_reads: bool = False,
    ) -> None:
        data_reads = data_reads and memory is not None
        self._model: TimingModel = model_for(core, memory, data_reads_apart=data_reads)
        self._lib = native_library()
        marks = {address & ~1: phase for address, phase in marks.items()}
        for address, phase in marks.items():
            if not 0 <= phase < len(PHASES):
                raise ValueError(f"mark at 0x{address:08x}: no phase {phase}, only 0 to {len(PHASES) - 1}")
        self._build_segments(marks, functions)
        self._memory = ctypes.create_string_buffer(self._lib.trn_table_bytes() + _HOST_LINE)
        self._table = (ctypes.addressof(self._memory) + _HOST_LINE - 1) // _HOST_LINE * _HOST_LINE
        self._state = State()
        self._state.segments = self._segments
        self._state.table = self._table
        self._set_up_cache()
        self._state.predicts = int(self._model.core.predicts)
        self._state.trained_phases = sum(1 << PHASES.index(name) for name in _TRAINED)
        self._state.miss = self._miss_callback = Miss(self._miss)
        self._uc: Uc | None = None
        self._error: BaseException | None = None
        self._keep: list[Any] = []
        self._divisions: dict[int, Division] = {}
        self._costs: BlockCostCache | None = None
        self.reset()

    # -- life ------------------------------------------------------------------------------------------------------

    def attach(self, uc: Uc, *, copied_code: Sequence[tuple[int, bytes]] = ()) -> None:
        """Installs the block hook, and a code hook on every division found in executable memory.

        The firmware must be in guest memory (divisions are found, and cached costs are keyed, by its bytes) and nothing
        may have run yet: Unicorn does not apply hooks to blocks it has translated. ``copied_code``: (address, bytes) of
        code that the firmware itself will put into RAM.
        """
        if self._uc is not None:
            raise ValueError("this counter is attached already; make one counter per guest")
        self._uc = uc
        self._state.stop = _address_of(_engine.uc_emu_stop)
        self._state.reg_read = _address_of(_engine.uc_reg_read)
        guest: Any = uc  # the binding ships half its types
        code = [
            (begin, bytes(guest.mem_read(begin, end - begin + 1)))
            for begin, end, permissions in guest.mem_regions()
            if permissions & UC_PROT_EXEC
        ]
        code += copied_code
        self._costs = BlockCostCache(self._model, code)
        self._insert(self._costs.known())
        self._hook(UC_HOOK_BLOCK, self._lib.trn_on_block, ctypes.addressof(self._state), 1, 0)
        if self._model.core.static_division:
            self._hook_divisions(code)
        if self._model.data_reads_apart and self._model.memory is not None:
            region = self._model.memory.region
            self._state.data_wait = SIXTEENTHS * self._model.memory.code.data_wait
            self._hook(
                UC_HOOK_MEM_READ, self._lib.trn_on_read, ctypes.addressof(self._state), region.start, region.stop - 1
            )

    def reset(self) -> None:
        """Counters to zero, phase 0, no event pending."""
        self._lib.trn_reset(self._state)
        for segment in self._segments:
            segment.trained = Count()

    def flush(self) -> None:
        """Forgets block costs; call it when code in guest memory changed (and flush Unicorn's translations too)."""
        ctypes.memset(self._table, 0, self._lib.trn_table_bytes())
        self._state.n_blocks = 0
        self._state.previous = None
        if self._costs is not None:
            self._costs.forget()

    def save(self) -> None:
        """Writes block costs worked out in this run to the disk cache. `phase_counts` does so too."""
        if self._costs is not None:
            self._costs.save()

    # -- time ------------------------------------------------------------------------------------------------------

    @property
    def cycles(self) -> int:
        """Core cycles so far, sleep included. Inside an MMIO callback the running block is charged already."""
        return int(self._state.total.cycles)

    @property
    def memory_cycles(self) -> int:
        """Cycles the memory term adds to `cycles` so far."""
        return int(self._state.total.memory) // SIXTEENTHS

    @property
    def idle_cycles(self) -> int:
        """Part of `cycles` the guest slept."""
        return int(self._state.idle)

    @property
    def instructions(self) -> int:
        """Instructions so far."""
        return int(self._state.total.instructions)

    @property
    def next_event(self) -> int:
        """The guest stops before the first block that would start at or after this many `cycles`."""
        return int(self._state.next_event)

    @next_event.setter
    def next_event(self, cycles: int) -> None:
        self._state.next_event = max(0, min(cycles, NEVER))
        self._state.stopped = 0

    def request_stop(self) -> None:
        """Stops the guest before its next block; the way for an MMIO callback to stop it without counting twice."""
        self.next_event = 0

    @property
    def stopped_by_event(self) -> bool:
        """The last stop was the hook's, for `next_event` or `request_stop`; setting `next_event` clears it."""
        return bool(self._state.stopped)

    def add_cycles(self, n: int) -> None:
        """Charges ``n`` cycles of sleep: `cycles` advances, phases and functions do not pay."""
        self._lib.trn_idle(self._state, n)

    @property
    def instruction_cache(self) -> bool:
        """Whether the memory's instruction cache is on. A memory with a cache begins with it on; others have none."""
        return bool(self._state.line_shift)

    @instruction_cache.setter
    def instruction_cache(self, on: bool) -> None:
        """Follows the part's cache control register; switching off empties the cache. No effect without a cache."""
        cache = None if self._model.memory is None else self._model.memory.cache
        if cache is None:
            return
        if not on:
            self._lib.trn_forget_lines(self._state)
        self._state.line_shift = cache.line.bit_length() - 1 if on else 0
        self._state.cache_off = int(not on)

    # -- results ---------------------------------------------------------------------------------------------------

    @property
    def model_name(self) -> str:
        """Name and version of the cycle model, such as "cortex-m4/1 + nrf52840-flash/1"."""
        return self._model.name

    def phase_counts(self) -> dict[str, PhaseCount]:
        """Cost of each phase since the last reset; sleep belongs to none."""
        self.raise_pending()
        self._lib.trn_settle(self._state)
        self.save()
        return {name: _phase_count(self._state.phases[i]) for i, name in enumerate(PHASES)}

    def function_counts(self) -> dict[str, PhaseCount]:
        """Self cost of each function that ran in the forward, backward and update phases; unknown code is "?"."""
        self.raise_pending()
        self._lib.trn_settle(self._state)
        counts: dict[str, PhaseCount] = {}
        for name, segment in zip(self._segment_names, self._segments, strict=True):
            if segment.trained.instructions == 0:
                continue
            count = _phase_count(segment.trained)
            if name in counts:  # static functions of one name, or a mark and its function
                old = counts[name]
                count = PhaseCount(
                    old.cycles + count.cycles,
                    old.memory_cycles + count.memory_cycles,
                    old.instructions + count.instructions,
                )
            counts[name] = count
        return counts

    # -- inside ----------------------------------------------------------------------------------------------------

    def _build_segments(self, marks: Mapping[int, int], functions: Sequence[tuple[int, int, str]]) -> None:
        """One segment per function and per mark; segment 0 is code of no known function."""
        ordered = sorted((address & ~1, size, name) for address, size, name in functions)
        self._segment_starts = [address for address, _, _ in ordered]
        self._segment_ends = [address + size for address, size, _ in ordered]
        self._segment_names = ["?", *(name for _, _, name in ordered)]
        self._mark_segments: dict[int, int] = {}
        phases = [_NO_PHASE] * len(self._segment_names)
        for address, phase in marks.items():
            owner = self._function_segment(address)
            self._mark_segments[address] = len(self._segment_names)
            self._segment_names.append(self._segment_names[owner] if owner else f"mark {PHASES[phase]}")
            phases.append(phase)
        self._segments = (Segment * len(phases))()
        for segment, phase in zip(self._segments, phases, strict=True):
            segment.phase = phase

    def _set_up_cache(self) -> None:
        cache = None if self._model.memory is None else self._model.memory.cache
        if cache is None:
            return
        if cache.ways != _WAYS or cache.sets & (cache.sets - 1) or cache.line & (cache.line - 1):
            raise ValueError(f"{self._model.name}: {cache} is not a cache the block hook can follow")
        self._state.n_lines = cache.sets * cache.ways
        self._lines = (ctypes.c_uint32 * self._state.n_lines)()
        self._state.lines = self._lines
        self._state.line_shift = cache.line.bit_length() - 1
        self._state.set_mask = cache.sets - 1

    def _function_segment(self, address: int) -> int:
        index = bisect_right(self._segment_starts, address) - 1
        return index + 1 if index >= 0 and address < self._segment_ends[index] else 0

    def _insert(self, blocks: Sequence[tuple[int, int, BlockCost]]) -> None:
        rows = (Block * len(blocks))()
        for row, (address, size, cost) in zip(rows, blocks, strict=True):
            row.key = address | size << 32
            row.segment = self._mark_segments.get(address) or self._function_segment(address)
            row.cycles = min(cost.core.cycles, 0xFFFF)
            row.instructions = cost.instructions
            row.taken = cost.core.taken
            row.target = cost.core.target
            row.memory_through = min(cost.memory.through, 0xFFFF)
            row.memory_branched = min(cost.memory.branched, 0xFFFF)
            row.off_through = min(cost.memory.off_through, 0xFFFF)
            row.off_branched = min(cost.memory.off_branched, 0xFFFF)
            row.miss_through = min(cost.memory.miss_through, 0xFF)
            row.miss_branched = min(cost.memory.miss_branched, 0xFF)
            row.divider_busy = cost.core.divider_busy
            row.mispredicted = cost.core.mispredicted
            row.history = _INDIRECT * cost.core.indirect | _OPEN_END * cost.core.open_end | _JOINS * cost.core.joins
            # No division runs for as long as 254 cycles: a later first use needs no exact figure.
            row.first_float = _NO_FLOAT if cost.core.first_float is None else min(cost.core.first_float, _NO_FLOAT - 1)
        self._lib.trn_insert(self._state, rows, len(blocks))

    def _miss(self, address: int, size: int) -> int:
        """Called by the hook for a block it has not met. Nothing may escape into C."""
        try:
            guest: Any = self._uc
            assert self._costs is not None
            code = bytes(guest.mem_read(address, size)) if size else b""
            self._insert([(address, size, self._costs.cost(code, address, before=self._code_before(address)))])
        except BaseException as error:
            self._error = error
            return 1
        return 0

    def _code_before(self, address: int) -> bytes:
        """Code in front of a block that starts where a page does: it may go on with the block before it.

        An instruction of 32 bits that crosses into the page starts a block of its own, two bytes before it.
        """
        if 2 < address % _PAGE < _PAGE - 2 or address < _LOOK_BACK:
            return b""
        guest: Any = self._uc
        try:
            return bytes(guest.mem_read(address - _LOOK_BACK, _LOOK_BACK))
        except UcError:
            return b""

    def raise_pending(self) -> None:
        """Raises what went wrong inside the hook, which stopped the guest for it: a block it cannot cost, for one."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _hook(self, kind: int, function: Any, user: int, begin: int, end: int) -> None:
        assert self._uc is not None
        handle = ctypes.c_size_t()
        status = _engine.uc_hook_add(
            self._uc._uch,
            ctypes.byref(handle),
            kind,
            ctypes.cast(function, ctypes.c_void_p),
            ctypes.c_void_p(user),
            ctypes.c_uint64(begin),
            ctypes.c_uint64(end),
        )
        if status != 0:
            raise UcError(status)

    def _hook_divisions(self, code: Sequence[tuple[int, bytes]]) -> None:
        """A code hook per SDIV and UDIV. Data that looks like one gets a hook that never fires."""
        core = self._model.core
        table = (ctypes.c_uint8 * (33 * 33))(*(core.division_cycles(n, d) for n in range(33) for d in range(33)))
        self._keep.append(table)
        for begin, content in code:
            for address, is_signed, dividend, divisor in find_divisions(content, begin):
                division = Division(
                    state=ctypes.pointer(self._state),
                    dividend=_register_id(dividend),
                    divisor=_register_id(divisor),
                    is_signed=int(is_signed),
                    charged=core.static_division,
                    cycles=ctypes.cast(table, ctypes.POINTER(ctypes.c_uint8)),
                )
                self._divisions[address] = division
                self._hook(UC_HOOK_CODE, self._lib.trn_on_division, ctypes.addressof(division), address, address)


def find_divisions(code: bytes, address: int) -> list[tuple[int, bool, int, int]]:
    """SDIV and UDIV in ``code``: (address, signed, dividend register, divisor register) of each.

    ``SDIV Rd, Rn, Rm`` is FB9n FdFm, ``UDIV`` FBBn FdFm (Armv7-M manual A7.7.127, A7.7.195). Literals
    that happen to read so are found too.
    """
    found = []
    for pattern, is_signed in ((0xFB90, True), (0xFBB0, False)):
        high = pattern >> 8
        start = 0
        while (at := code.find(high, start)) >= 0:
            start = at + 1
            if at % 2 == 0 or at + 3 > len(code):
                continue
            first = code[at - 1] | code[at] << 8
            second = code[at + 1] | code[at + 2] << 8
            if first & 0xFFF0 == pattern and second & 0xF0F0 == 0xF0F0:
                found.append((address + at - 1, is_signed, first & 15, second & 15))
    return sorted(found)


def _phase_count(count: Count) -> PhaseCount:
    return PhaseCount(int(count.cycles), int(count.memory) // SIXTEENTHS, int(count.instructions))
