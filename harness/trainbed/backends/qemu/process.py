# SPDX-License-Identifier: Apache-2.0
"""One QEMU: started stopped, with a socket for the guest's UART, one for the monitor and one for our plugin.

Nothing of it has a name in the file system: sockets are pairs, the shared memory is anonymous, messages go to an
unlinked file. QEMU ends when our end of the plugin's socket is closed, however we went.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import tempfile
from typing import IO

from trainbed.backends.qemu.config import QemuConfig
from trainbed.backends.qemu.control import Control, Gone
from trainbed.backends.qemu.monitor import Monitor
from trainbed.backends.qemu.tool import PROGRAM
from trainbed.errors import EmulatorCrash

_ESCAPE = b"\x1e"
"""Byte the multiplexer in front of the UART takes for a command; doubled it stands for itself."""
_SEND_BUFFER_BYTES = 1 << 20
_END_S = 10.0


class QemuProcess:
    """QEMU with a firmware loaded, halted before its first instruction. Raises EmulatorCrash when it does not start."""

    def __init__(self, config: QemuConfig, *, gdb: socket.socket | None = None) -> None:
        """``gdb``: a listening socket QEMU's own gdb server is to answer at."""
        self.control = Control(config)
        self.monitor = Monitor()
        self._uart, uart_theirs = socket.socketpair()
        # QEMU sends byte by byte, and each takes up hundreds: the buffer would be full after a few hundred of them.
        uart_theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        self._outgoing = b""
        self._messages: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as QEMU
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = subprocess.Popen(
                [PROGRAM, *self._arguments(config, uart_theirs.fileno()), *_gdb_arguments(gdb)],
                stdin=subprocess.DEVNULL,
                stdout=self._messages,
                stderr=self._messages,
                pass_fds=[
                    *self.control.inherited,
                    *self.monitor.inherited,
                    uart_theirs.fileno(),
                    *([gdb.fileno()] if gdb else []),
                ],
                start_new_session=True,  # Ctrl-C in the terminal reaches us alone
            )
            uart_theirs.close()
            self._uart.setblocking(False)
            self.control.started()
            self.monitor.started()
        except Gone:
            code, messages = self.ended()
            raise EmulatorCrash(f"{PROGRAM} ended with exit code {code} before it ran anything:\n{messages}") from None
        except OSError as error:
            self.close()
            raise EmulatorCrash(f"{PROGRAM} does not start: {error}") from None
        except BaseException:
            self.close()
            raise
        finally:
            uart_theirs.close()

    @property
    def pid(self) -> int:
        """Process id, for messages and tests."""
        assert self._process is not None
        return self._process.pid

    def ended(self) -> tuple[int, str]:
        """Exit code (negative: signal) and last messages of a QEMU that is gone; closes everything."""
        process = self._process
        assert process is not None
        try:
            code = process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        self._messages.seek(0)
        messages = self._messages.read().decode(errors="replace")
        self.close()
        return code, "\n".join(line for line in messages.splitlines() if "warning:" not in line)

    def close(self) -> None:
        """Ends QEMU; safe to call twice."""
        process, self._process = self._process, None
        self.control.close()
        self.monitor.close()
        self._uart.close()
        if process is not None:
            process.kill()
            process.wait()
        self._messages.close()

    # -- UART --------------------------------------------------------------------------------------------------------

    def uart_fileno(self) -> int:
        """Descriptor that becomes readable when the guest has sent something."""
        return self._uart.fileno()

    def send(self, data: bytes = b"") -> bool:
        """Sends ``data`` behind what is still to be sent. False: not all has left, call again when there is room."""
        self._outgoing += data.replace(_ESCAPE, _ESCAPE * 2)
        while self._outgoing:
            try:
                n = self._uart.send(self._outgoing)
            except BlockingIOError:
                return False
            except OSError:
                raise Gone from None
            self._outgoing = self._outgoing[n:]
        return True

    def receive(self) -> bytes:
        """What the guest has sent since the last call, maybe nothing."""
        received = bytearray()
        while True:
            try:
                part = self._uart.recv(1 << 16)
            except OSError:  # nothing more now, or QEMU is gone, which the control socket tells
                part = b""
            if not part:
                return bytes(received)
            received += part

    # -- inside ------------------------------------------------------------------------------------------------------

    def _arguments(self, config: QemuConfig, uart: int) -> list[str]:
        return [
            "-machine", config.machine, "-kernel", str(config.image.elf),
            "-nodefaults", "-net", "none", "-display", "none",
            "-S",  # until the stack is painted
            "-no-reboot",  # a guest that resets itself ends QEMU
            "-icount", "shift=0,sleep=off",  # guest time is instructions, nothing else
            # The multiplexer holds 32 bytes in front of the UART, which holds one: three times as fast as without it.
            "-chardev", f"socket,id=uart,fd={uart},mux=on", "-serial", "chardev:uart", "-echr", str(ord(_ESCAPE)),
            *self.monitor.arguments,
            "-plugin", self.control.plugin_argument,
        ]  # fmt: skip


def _gdb_arguments(gdb: socket.socket | None) -> list[str]:
    if gdb is None:
        return []
    return ["-chardev", f"socket,id=gdb,fd={gdb.fileno()},server=on,wait=off,nodelay=on", "-gdb", "chardev:gdb"]


def signal_name(code: int) -> str:
    """How a process with a negative exit code ended."""
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
