# SPDX-License-Identifier: Apache-2.0
"""What Renode notes down while the guest runs, in native code: marks, sleep, exceptions, resets, bytes sent.

Marks are breakpoint instructions (semihosting calls, which Renode answers with nothing) in the loaded code: Renode's
own hook at an address ends the running slice each time, which costs as much as a hundred thousand instructions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from trainbed.backends.renode.dotnet import array, clr_type, method, namespace, typed

_INTERRUPT, _BREAKPOINT = 5, 7
"""tlib's numbers of an interrupt, which the core is to take, and of a breakpoint; it stops at every other exception."""
_AIRCR = 0xE000_ED0C
_WORD = 8


class Watch:
    """Attached to one machine's core, bus and UART for as long as they live."""

    def __init__(self, cpu: Any, bus: Any, uart: Any, *, marks: Iterable[int]) -> None:
        system, generic = namespace("System"), namespace("System.Collections.Generic")
        self._expressions = namespace("System.Linq.Expressions")
        self._buses = namespace("Antmicro.Renode.Peripherals.Bus")
        self._gdb_cpu = namespace("Antmicro.Renode.Peripherals.CPU").ICpuSupportingGdb
        uint64 = self._uint64 = system.UInt64
        numbers = generic.List[uint64]
        self._system = system
        self._add = clr_type(numbers).GetMethod("Add")
        self._marks, self._exceptions, self._resets = numbers(), numbers(), numbers()
        self._sleeps = generic.List[system.Boolean]()
        self._output = generic.Queue[system.Byte]()
        action = system.Action

        self._places = generic.HashSet[uint64]()
        for address in marks:
            self._places.Add(uint64(address & ~1))
        cpu.AddHookAtWfiStateChange(method(self._sleeps, "Add", action[system.Boolean]))
        cpu.AddHookAtInterruptBegin(self._on_exception(cpu))
        word, write = self._buses.SysbusAccessWidth.DoubleWord, self._buses.Access.Write
        bus.AddWatchpointHook(_AIRCR, word, write, self._on_reset(cpu))
        # Attached by reflection: += would put Python in between.
        uart.GetType().GetEvent("CharReceived").AddEventHandler(
            uart, method(self._output, "Enqueue", action[system.Byte])
        )
        self._send = method(uart, "WriteChar", action[system.Byte])
        self._for_each = system.Array.ForEach[system.Byte]

    def clear(self) -> None:
        """Forget everything noted so far."""
        for notes in (self._marks, self._exceptions, self._resets, self._sleeps, self._output):
            notes.Clear()

    def send(self, data: bytes) -> None:
        """Bytes into the UART, all at once; the machine must be paused."""
        self._for_each(array(data), self._send)

    def sent(self) -> bytes:
        """What the guest has sent since this was asked last."""
        if not self._output.Count:
            return b""
        data = bytes(self._output.ToArray())
        self._output.Clear()
        return data

    def sleeping(self, before: bool) -> bool:
        """Whether the core sleeps now, if it did so ``before``."""
        changes = self._sleeps.Count
        asleep = bool(self._sleeps[changes - 1]) if changes else before
        self._sleeps.Clear()
        return asleep

    def exception(self) -> tuple[int, int] | None:
        """(tlib's number, PC) of the exception the core stopped at."""
        return (int(self._exceptions[0]), int(self._exceptions[1])) if self._exceptions.Count else None

    def reset_at(self) -> int | None:
        """Where the guest asked for a reset."""
        return int(self._resets[0]) if self._resets.Count else None

    def marks(self) -> list[tuple[int, int]]:
        """(instructions executed before, address) of each mark passed since this was asked last."""
        n = self._marks.Count
        if not n:
            return []
        numbers = self._marks.ToArray()
        raw = self._system.Array.CreateInstance(clr_type(self._system.Byte), n * _WORD)
        self._system.Buffer.BlockCopy(numbers, 0, raw, 0, n * _WORD)
        self._marks.Clear()
        found = np.frombuffer(bytes(raw), dtype="<u8").reshape(-1, 2)
        return [(int(executed), int(address)) for executed, address in found]

    # -- expressions -------------------------------------------------------------------------------------------------

    def _on_exception(self, cpu: Any) -> Any:
        """number -> at a mark: note what was executed, and PC; at anything but an interrupt: note number and PC, halt.

        The core halts before anything of the exception has happened to it.
        """
        make = self._expressions.Expression
        number = self._parameter(self._uint64)
        pc = self._pc(cpu)
        at_mark = make.AndAlso(
            make.Equal(number, self._number(_BREAKPOINT)),
            make.Call(make.Constant(self._places), clr_type(type(self._places)).GetMethod("Contains"), self._list(pc)),
        )
        mark = make.Block(
            self._list(
                self._note(self._marks, self._property(cpu, "ExecutedInstructions")),
                self._note(self._marks, pc),
            )
        )
        stop = make.Block(
            self._list(
                self._note(self._exceptions, number),
                self._note(self._exceptions, pc),
                make.Assign(self._property(cpu, "IsHalted"), make.Constant(True)),
            )
        )
        other = make.IfThen(make.NotEqual(number, self._number(_INTERRUPT)), stop)
        return self._compiled(self._system.Action[self._uint64], [number], make.IfThenElse(at_mark, mark, other))

    def _on_reset(self, cpu: Any) -> Any:
        """(cpu, address, width, value) -> resets.Add(PC); the machine resets itself when it comes to a pause."""
        kinds = (self._gdb_cpu, self._uint64, self._buses.SysbusAccessWidth, self._uint64)
        note = self._note(self._resets, self._pc(cpu))
        return self._compiled(self._buses.BusHookDelegate, [self._parameter(kind) for kind in kinds], note)

    def _number(self, value: int) -> Any:
        return self._expressions.Expression.Constant(self._uint64(value), clr_type(self._uint64))

    def _parameter(self, kind: Any) -> Any:
        return self._expressions.Expression.Parameter(clr_type(kind))

    def _property(self, target: Any, name: str) -> Any:
        make = self._expressions.Expression
        return make.Property(make.Constant(target), name)

    def _pc(self, cpu: Any) -> Any:
        make = self._expressions.Expression
        return make.Convert(make.Property(self._property(cpu, "PC"), "RawValue"), clr_type(self._uint64))

    def _note(self, notes: Any, value: Any) -> Any:
        make = self._expressions.Expression
        return make.Call(make.Constant(notes), self._add, self._list(value))

    def _list(self, *items: Any) -> Any:
        return typed(self._expressions.Expression, items)

    def _compiled(self, kind: Any, parameters: list[Any], *body: Any) -> Any:
        make = self._expressions.Expression
        block = make.Block(self._list(*body))
        return make.Lambda(clr_type(kind), block, typed(self._expressions.ParameterExpression, parameters)).Compile()
