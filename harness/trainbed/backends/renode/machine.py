# SPDX-License-Identifier: Apache-2.0
"""One board in Renode: built once per firmware, powered on any number of times, given time in slices."""

from __future__ import annotations

from trainbed.backends.failure import Failure, GuestStopped
from trainbed.backends.painted_stack import paint
from trainbed.backends.ported import read_code, stored_at
from trainbed.backends.renode.config import RenodeConfig
from trainbed.backends.renode.dotnet import array, load, namespace
from trainbed.backends.renode.guard import guard
from trainbed.backends.renode.watch import Watch
from trainbed.errors import InputError

_QUANTUM_US = 10_000
_MARK = bytes.fromhex("abbe 7047")
"""BKPT 0xAB; BX LR: what a mark, an empty function of BX LR and a no-operation, becomes in memory."""
_XPSR = 25
"""Its number among Renode's registers; 0 to 15 are r0 to pc."""
_REGISTERS = (*(f"r{i}" for i in range(13)), "sp", "lr", "pc")


class Machine:
    """Renode runs one emulation per process: a new machine ends the one before."""

    n_built = 0
    """In this process."""

    def __init__(self, config: RenodeConfig) -> None:
        self._config = config
        Machine.n_built += 1
        try:
            load()
        except ImportError as error:
            raise GuestStopped(Failure("crash", 0, f"Renode cannot be loaded: {error}")) from None
        wrappers = namespace("pyrenode3.wrappers")
        emulation = wrappers.Emulation()
        self._monitor = wrappers.Monitor()  # with one, Renode knows its commands, and those of .repl files
        emulation.clear()
        machine = emulation.add_mach("board")
        try:
            machine.load_repl(config.platform)
            self.cpu = machine.sysbus.cpu.internal
            self._bus = machine.sysbus.internal
            uart = getattr(machine.sysbus, config.uart).internal
        except Exception as error:  # .NET's exceptions have no common base in Python
            raise GuestStopped(Failure("crash", 0, f"Renode refused {config.platform}: {error}")) from None
        self._machine = machine.internal
        self._emulation = emulation.internal
        self._time = namespace("Antmicro.Renode.Time").TimeInterval
        clock = self._emulation.MasterTimeSource
        clock.AdvanceImmediately = True  # guest time does not wait for ours
        clock.Quantum = self._time.FromMicroseconds(_QUANTUM_US)
        self.mips = max(1, config.clock_hz // 1_000_000)
        self.cpu.PerformanceInMips = self.mips
        # Registers the platform names without modelling them are no news.
        reports = namespace("Antmicro.Renode.Peripherals.Bus").UnhandledAccessBehaviour
        self._bus.UnhandledAccessBehaviour = reports.ReportIfNotTagged
        image = config.firmware.image
        marks = [] if config.gdb else list(image.marks)  # a debugger is to see the firmware's own code
        self.watch = Watch(self.cpu, self._bus, uart, marks=marks)
        self._load = [(address, array(code)) for address, code in read_code(image.elf, config.firmware.memories)]
        self._load += [(at, array(_MARK)) for at in stored_at(image.elf, [mark & ~1 for mark in marks])]
        for memory in config.firmware.memories:
            if memory.kind == "ram":
                self._load.append((memory.origin, array(bytes(memory.length))))
        paint(lambda at, content: self._load.append((at, array(content))), image.stack_low, image.stack_top)

    def power_on(self) -> None:
        """Memories as after a download and a cold start, stack painted, counters at zero. Runs nothing yet."""
        self._machine.Reset()
        self.cpu.IsHalted = False
        for address, content in self._load:
            self._bus.WriteBytes(content, address)
        self.cpu.VectorTableOffset = self._config.vectors
        for register, value in guard(self._config.firmware.memories):
            self._bus.WriteDoubleWord(register, value)
        self.watch.clear()

    @property
    def executed(self) -> int:
        """Instructions since power on."""
        return int(self.cpu.ExecutedInstructions)

    @property
    def pc(self) -> int:
        """Where the core is."""
        return int(self.cpu.PC.RawValue)

    def run(self, n_instructions: int) -> None:
        """Give the guest time for as many instructions, a microsecond's worth at least."""
        self._emulation.RunFor(self._time.FromMicroseconds(max(1, n_instructions // self.mips)))

    def registers(self) -> dict[str, int]:
        """The core's registers by name; Renode tells nothing of its floating-point unit's."""
        found = {name: int(self.cpu.GetRegister(i).RawValue) for i, name in enumerate(_REGISTERS)}
        return found | {"xpsr": int(self.cpu.GetRegister(_XPSR).RawValue)}

    def command(self, line: str) -> None:
        """A command of Renode's monitor. Raises InputError when it refuses."""
        _, refused = self._monitor.execute(line)
        if refused.strip():
            raise InputError(f"Renode refused '{line}': {refused.strip()}")

    def word(self, address: int) -> int:
        """A word of memory or of a peripheral."""
        return int(self._bus.ReadDoubleWord(address))

    def read(self, address: int, n_bytes: int) -> bytes:
        """Bytes of memory."""
        return bytes(self._bus.ReadBytes(address, n_bytes)) if n_bytes else b""

    def write(self, address: int, data: bytes) -> None:
        """Changes memory."""
        if data:
            self._bus.WriteBytes(array(data), address)

    @property
    def fault_address(self) -> int:
        """The last address the memory protection unit refused."""
        return int(self.cpu.MemoryFaultAddress)
