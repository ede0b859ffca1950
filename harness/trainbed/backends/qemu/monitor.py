# SPDX-License-Identifier: Apache-2.0
"""QEMU's own control channel (QMP), as far as a run needs it. Source: QEMU's documentation, "QEMU Machine Protocol"."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

from trainbed.backends.qemu.control import Gone

_ANSWER_S = 60.0


class Monitor:
    """One conversation; the machine may run meanwhile."""

    def __init__(self) -> None:
        self._socket, self._theirs = socket.socketpair()
        self._socket.settimeout(_ANSWER_S)
        self._received = b""

    @property
    def inherited(self) -> tuple[int, ...]:
        """Descriptors QEMU needs."""
        return (self._theirs.fileno(),)

    @property
    def arguments(self) -> tuple[str, ...]:
        """Options that give QEMU its end."""
        return (
            "-chardev", f"socket,id=monitor,fd={self._theirs.fileno()}", "-mon", "chardev=monitor,mode=control",
        )  # fmt: skip

    def started(self) -> None:
        """QEMU has its end: our copy goes. Raises Gone when QEMU ended, TimeoutError when it says nothing."""
        self._theirs.close()
        self._message()  # the greeting
        self.command("qmp_capabilities")

    def command(self, name: str, **arguments: Any) -> Any:
        """A command's answer. Raises Gone, TimeoutError, RuntimeError when QEMU refuses."""
        try:
            self._socket.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        except TimeoutError:
            raise
        except OSError:
            raise Gone from None
        while True:
            message = self._message()
            if "error" in message:
                raise RuntimeError(f"QEMU refused {name}: {message['error'].get('desc', message['error'])}")
            if "return" in message:
                return message["return"]

    def human(self, line: str) -> str:
        """Text a command for humans prints."""
        return str(self.command("human-monitor-command", **{"command-line": line}))

    def host_address(self, address: int) -> int:
        """Where guest memory lies in QEMU's process. Raises RuntimeError when there is none."""
        text = self.human(f"gpa2hva {address:#x}")
        found = re.search(r"is (0x[0-9a-fA-F]+)", text)
        if found is None:
            raise RuntimeError(f"QEMU has no memory at {address:#x}: {text.strip()}")
        return int(found[1], 16)

    def registers(self) -> dict[str, int]:
        """Of the halted core, by the names gdb gives them; d0 to d15 and fpscr where it has a floating-point unit."""
        text = self.human("info registers")
        found = re.findall(r"\b(R\d\d|XPSR|d\d\d)=([0-9a-f]+)", text) + re.findall(r"\b(FPSCR): ([0-9a-f]{8})", text)
        return {_gdb_name(name): int(value, 16) for name, value in found}

    def word(self, address: int) -> int:
        """A word of the guest's address space, system registers included."""
        text = self.human(f"x /1wx {address:#x}")
        found = re.search(r": (0x[0-9a-f]{8})", text)
        return int(found[1], 16) if found else 0

    def close(self) -> None:
        """Safe to call twice."""
        self._socket.close()
        self._theirs.close()

    def _message(self) -> dict[str, Any]:
        while b"\n" not in self._received:
            try:
                part = self._socket.recv(1 << 16)
            except ConnectionError:
                part = b""
            if not part:
                raise Gone
            self._received += part
        line, _, self._received = self._received.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message


def _gdb_name(name: str) -> str:
    """R07 is r7, R13 is sp."""
    if name[0] in "Rd":
        number = int(name[1:])
        return {13: "sp", 14: "lr", 15: "pc"}.get(number, f"r{number}") if name[0] == "R" else f"d{number}"
    return name.lower()
