# SPDX-License-Identifier: Apache-2.0
"""Our plugin under the interfaces of QEMU 8, 9.0 and 9.1 on: which one it says it is built for, how it reads code.

QEMU 9 itself is not here; a stand-in of a few lines has its functions as QEMU's documentation describes them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from trainbed.backends.qemu.control import plugin_library

_FAKE = Path(__file__).parent / "firmware" / "fake_qemu.c"
_PROGRAM = r"""
import ctypes, os, socket, sys
from trainbed.backends.qemu import control
fake = ctypes.CDLL(sys.argv[1], mode=ctypes.RTLD_GLOBAL)
plugin = ctypes.CDLL(str(control.plugin_library()), mode=os.RTLD_LAZY)
print(ctypes.c_int.in_dll(plugin, "qemu_plugin_version").value)
class Info(ctypes.Structure):
    _fields_ = (("target", ctypes.c_char_p), ("min", ctypes.c_int), ("cur", ctypes.c_int))
memory = os.memfd_create("shared")
os.ftruncate(memory, control._N_BYTES)
ours, theirs = socket.socketpair()
options = [b"shared=%d" % memory, b"bytes=%d" % control._N_BYTES, b"control=%d" % theirs.fileno()]
info = Info(b"arm", 0, int(sys.argv[2]))
assert plugin.qemu_plugin_install(ctypes.c_uint64(1), ctypes.byref(info), 3, (ctypes.c_char_p * 3)(*options)) == 0
for code in (b"\x30\xbf", b"\x00\xbf", b"\xff\xf7\xfe\xbf"):  # WFI, NOP, B.W to itself
    print(fake.translate(code, ctypes.c_size_t(len(code))))
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.parametrize(("interface", "declared"), [(1, 1), (2, 2), (4, 2)])
def test_the_plugin_fits_the_interface_it_is_loaded_into(interface: int, declared: int, tmp_path: Path) -> None:
    plugin_library()
    fake = tmp_path / "fake_qemu.so"
    compile_fake = ["cc", "-std=gnu11", "-Wall", "-Werror", "-shared", "-fPIC", f"-DINTERFACE={interface}"]
    subprocess.run([*compile_fake, str(_FAKE), "-o", str(fake)], check=True)
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(fake), str(interface)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert list(map(int, done.stdout.split())) == [declared, 3, 1, 1]
