# SPDX-License-Identifier: Apache-2.0
"""A camera that is not there: images as the frames it would deliver, and what a device makes of a frame.

A frame is what a sensor's interface leaves in memory, row by row: one byte of grey, two of RGB565 (red in the upper
five bits; the low byte first) or three of RGB888. The host then does what firmware with a camera does before the
network sees anything: the middle square, the network's size (bilinear), its channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from trainbed.data.fit import resized, with_channels
from trainbed.errors import DataError

U8 = NDArray[np.uint8]


class PixelFormat(str, Enum):
    """How a pixel lies in a frame."""

    GREY = "grey"
    RGB565 = "rgb565"
    RGB888 = "rgb888"

    @property
    def n_bytes(self) -> int:
        """Of one pixel."""
        return {"grey": 1, "rgb565": 2, "rgb888": 3}[self.value]


@dataclass(frozen=True)
class Camera:
    """A sensor with frames of ``width`` x ``height`` pixels."""

    width: int
    height: int
    pixels: PixelFormat = PixelFormat.RGB565

    @property
    def frame_bytes(self) -> int:
        """Of one frame."""
        return self.width * self.height * self.pixels.n_bytes

    def capture(self, image: U8) -> bytes:
        """The frame in which an image ``[H, W, 1 or 3]`` fills the middle square; black beside it. Raises DataError."""
        side = min(self.width, self.height)
        scene = np.zeros((self.height, self.width, 3), np.uint8)
        top, left = (self.height - side) // 2, (self.width - side) // 2
        image = _checked(image)
        scene[top : top + side, left : left + side] = with_channels(resized(image[None], (side, side)), 3, "a scene")[0]
        if self.pixels is PixelFormat.GREY:
            return with_channels(scene[None], 1, "a scene").tobytes()
        return _rgb565(scene).tobytes() if self.pixels is PixelFormat.RGB565 else scene.tobytes()

    def read(self, frame: bytes, shape: tuple[int, int, int]) -> U8:
        """The middle square of a frame as the network's input ``shape`` (H, W, C): uint8. Raises DataError."""
        if len(frame) != self.frame_bytes:
            raise DataError(
                f"a frame of {len(frame)} bytes; {self.width} x {self.height} pixels in {self.pixels.value} "
                f"are {self.frame_bytes}"
            )
        image = self._decoded(frame)
        side = min(self.width, self.height)
        top, left = (self.height - side) // 2, (self.width - side) // 2
        square = image[top : top + side, left : left + side]
        seen: U8 = resized(with_channels(square[None], shape[2], "a frame"), shape[:2])[0]
        return seen

    def _decoded(self, frame: bytes) -> U8:
        if self.pixels is PixelFormat.RGB565:
            words = np.frombuffer(frame, "<u2").reshape(self.height, self.width).astype(np.uint32)
            parts = [words >> 11, words >> 5 & 63, words & 31]
            # The upper bits again below: 31 and 63 become 255.
            red, green, blue = (
                parts[0] << 3 | parts[0] >> 2,
                parts[1] << 2 | parts[1] >> 4,
                parts[2] << 3 | parts[2] >> 2,
            )
            return np.stack([red, green, blue], axis=-1).astype(np.uint8)
        return np.frombuffer(frame, np.uint8).reshape(self.height, self.width, self.pixels.n_bytes)


def make_camera(width: int, height: int, pixels: str) -> Camera:
    """A camera; names of formats as people write them. Raises DataError."""
    if not (1 <= width <= 4096 and 1 <= height <= 4096):
        raise DataError(f"frames of {width} x {height} pixels; 1 to 4096 each way are expected")
    try:
        return Camera(width, height, PixelFormat(pixels.lower()))
    except ValueError:
        known = ", ".join(kind.value for kind in PixelFormat)
        raise DataError(f"pixels in '{pixels}'; expected one of {known}") from None


def _checked(image: U8) -> U8:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3) or not math.prod(image.shape):
        raise DataError(f"an image is uint8 [height, width, 1 or 3], found {image.dtype} {list(image.shape)}")
    return image


def _rgb565(scene: U8) -> NDArray[np.uint16]:
    red, green, blue = (scene[..., c].astype(np.uint16) for c in range(3))
    return ((red >> 3) << 11 | (green >> 2) << 5 | blue >> 3).astype("<u2")
