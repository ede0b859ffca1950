# SPDX-License-Identifier: Apache-2.0
"""A picture of what augmentation makes of the first training images, as a PNG (ISO/IEC 15948)."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainbed.data.augment import Augmentation
from trainbed.link.samples import SampleSet

_ROWS, _COLUMNS = 8, 8
_GAP = 2
_SMALLEST_SIDE = 48
"""Smaller images are enlarged by a whole factor."""


def preview_sheet(augmentation: Augmentation, samples: SampleSet) -> bytes:
    """PNG: one row per sample, the image itself first, then as it is trained in the first epochs."""
    few = SampleSet(x=samples.x[:_ROWS], labels=_first(samples.labels), values=_first(samples.values))
    columns = [few.x, *(augmentation.epoch(few, epoch).x for epoch in range(_COLUMNS - 1))]
    height, width, channels = augmentation.shape
    pictures = _grey_levels(np.stack(columns, axis=1).reshape(-1, height, width, channels))
    factor = max(1, _SMALLEST_SIDE // max(height, width))
    pictures = pictures.repeat(factor, axis=1).repeat(factor, axis=2)
    framed = np.pad(pictures, ((0, 0), (0, _GAP), (0, _GAP), (0, 0)), constant_values=255)
    n, high, wide, depth = framed.shape
    rows = n // _COLUMNS
    sheet = framed.reshape(rows, _COLUMNS, high, wide, depth).transpose(0, 2, 1, 3, 4)
    return png(np.ascontiguousarray(sheet.reshape(rows * high, _COLUMNS * wide, depth)))


def png(pixels: NDArray[np.uint8]) -> bytes:
    """uint8 ``[height, width, 1 or 3]`` as the bytes of a PNG file."""
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2}[channels], 0, 0, 0)
    lines = np.zeros((height, 1 + width * channels), np.uint8)  # each line begins with its filter: 0, none
    lines[:, 1:] = pixels.reshape(height, -1)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _first(array: NDArray[Any] | None) -> NDArray[Any] | None:
    return None if array is None else array[:_ROWS]


def _grey_levels(images: NDArray[Any]) -> NDArray[np.uint8]:
    """Bytes as they are; other codes from their smallest to their largest. Other than 3 channels: the first one."""
    images = images if images.shape[3] == 3 else images[..., :1]
    if images.dtype == np.uint8:
        return images
    low, high = float(images.min()), float(images.max())
    return np.rint((images.astype(np.float64) - low) * (255.0 / max(high - low, 1e-30))).astype(np.uint8)
