# SPDX-License-Identifier: Apache-2.0
"""What the boot ROM of an i.MX RT1062 does with serial flash. Source: IMXRT1060RM, 9.6.3 and 9.7.

It reads how to reach the flash from a block at its start, finds the image vector table 4 KB behind, and jumps through
the vector table this names. Signed images, device configuration data and plug-ins are not modelled.
"""

from __future__ import annotations

import struct
from typing import Any

from trainbed.backends.failure import Failure, GuestStopped
from trainbed.backends.unicorn.memory import Region
from trainbed.backends.unicorn.soc import Boot, vectors_at

_CONFIG_TAG, _CONFIG_VERSION = 0x4246_4346, 0x56
_IMAGE_VECTORS = 0x1000
_HEADER_TAG, _HEADER_BYTES, _HEADER_VERSIONS = 0xD1, 32, range(0x40, 0x44)


def find_image(uc: Any, flash: Region) -> Boot:
    """Raises GuestStopped when the ROM would wait for a host on its USB port instead."""
    tag, version = struct.unpack("<II", bytes(uc.mem_read(flash.origin, 8)))
    if tag != _CONFIG_TAG or version >> 24 != _CONFIG_VERSION:
        raise _refused(flash.origin, f"no flash configuration block: tag 0x{tag:08x}, version 0x{version:08x}")
    (n_bytes,) = struct.unpack("<I", bytes(uc.mem_read(flash.origin + 0x50, 4)))
    if n_bytes < flash.length:
        raise _refused(flash.origin + 0x50, f"the flash is said to have {n_bytes} bytes")
    at = flash.origin + _IMAGE_VECTORS
    header, entry, _, configuration, boot_data, itself, signature = struct.unpack("<7I", bytes(uc.mem_read(at, 28)))
    length = header >> 16 & 0xFF | (header >> 8 & 0xFF) << 8
    if header & 0xFF != _HEADER_TAG or length != _HEADER_BYTES or header >> 24 not in _HEADER_VERSIONS:
        raise _refused(at, f"no image vector table: header 0x{header:08x}")
    if itself != at:
        raise _refused(at, f"the image vector table was made for 0x{itself:08x}")
    if configuration or signature:
        raise _refused(at, "device configuration data and signatures are not modelled")
    if not flash.holds(boot_data, 12):
        raise _refused(at, f"boot data at 0x{boot_data:08x}, where there is no flash")
    start, size, plugin = struct.unpack("<III", bytes(uc.mem_read(boot_data, 12)))
    if start != flash.origin or plugin or not start <= entry < start + size:
        raise _refused(boot_data, f"boot data: start 0x{start:08x}, {size} bytes, plugin {plugin}")
    if not flash.holds(entry, 8):
        raise _refused(at, f"the image begins at 0x{entry:08x}, where there is no flash")
    return vectors_at(uc, entry)


def _refused(at: int, reason: str) -> GuestStopped:
    return GuestStopped(Failure("fault", at, f"the boot ROM refuses the flash: {reason}", kind="boot"))
