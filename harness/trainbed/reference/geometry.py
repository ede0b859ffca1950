# SPDX-License-Identifier: Apache-2.0
"""Where the taps of a sliding window fall: index tables for gathering windows, made once per shape."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from trainbed.errors import NetworkError
from trainbed.network.layers import Layer, Window
from trainbed.reference.arrays import F32


@dataclass(frozen=True, eq=False)
class Phase:
    """The input pixels whose gradient takes the same taps: those with equal remainder by the stride.

    ``pixels``: flat input pixels ``[n]``; ``taps``: window positions ``u*kw + v`` in ascending order ``[k]``;
    ``sources``: the flat output pixel that tap reaches from that input pixel ``[k, n]``, or the index of the zero row.
    """

    pixels: NDArray[np.intp]
    taps: NDArray[np.intp]
    sources: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Geometry:
    """A window laid over an input of ``in_hw`` pixels giving ``out_hw`` pixels.

    ``sources[t, p]`` is the flat input pixel under tap ``t = u*kw + v`` of output pixel ``p``; taps outside the input
    have the index ``in_h*in_w``, a row of zeros that ``gather`` appends.
    """

    window: Window
    in_hw: tuple[int, int]
    out_hw: tuple[int, int]
    sources: NDArray[np.intp]
    phases: tuple[Phase, ...]

    @property
    def has_padding(self) -> bool:
        """True when a tap of some output pixel falls outside the input."""
        return bool((self.sources == self.n_in).any())

    @property
    def n_taps(self) -> int:
        """Positions of the window."""
        return self.window.kernel_h * self.window.kernel_w

    @property
    def n_in(self) -> int:
        """Input pixels."""
        return self.in_hw[0] * self.in_hw[1]

    @property
    def n_out(self) -> int:
        """Output pixels."""
        return self.out_hw[0] * self.out_hw[1]


def geometry_of(layer: Layer) -> Geometry:
    """The geometry of a layer that has a window."""
    if layer.window is None:
        raise NetworkError(f"layer {layer.name} has no window", layer=layer.name)
    return make_geometry(layer.window, layer.in_shape[:2], layer.out_shape[:2])


@lru_cache(maxsize=256)
def make_geometry(window: Window, in_hw: tuple[int, int], out_hw: tuple[int, int]) -> Geometry:
    """Tables for a window over ``in_hw`` (height, width) that yields ``out_hw``."""
    rows = _reach(out_hw[0], in_hw[0], window.kernel_h, window.stride_h, window.pad_top)
    columns = _reach(out_hw[1], in_hw[1], window.kernel_w, window.stride_w, window.pad_left)
    sources = _join(rows, columns, in_hw)
    return Geometry(window, in_hw, out_hw, sources, tuple(_phases(window, in_hw, out_hw)))


def gather(rows: F32, sources: NDArray[np.intp]) -> F32:
    """Rows under each tap: ``[C, pixels, B]`` and ``sources [k, n]`` to ``[k, C, n, B]``; index ``pixels`` reads +0."""
    channels, n_pixels, n = rows.shape
    if sources.size and int(sources.max()) == n_pixels:
        padded = np.zeros((channels, n_pixels + 1, n), np.float32)
        padded[:, :n_pixels] = rows
        rows = padded
    out = np.empty((sources.shape[0], channels, sources.shape[1], n), np.float32)
    for tap, source in enumerate(sources):
        # clip: the other modes copy through a buffer when an output is given
        np.take(rows, source, axis=1, out=out[tap], mode="clip")
    return out


def _reach(n_out: int, n_in: int, kernel: int, stride: int, pad: int) -> NDArray[np.intp]:
    """Input position of each tap of each output position along one axis ``[kernel, n_out]``; -1 where outside."""
    position = np.arange(n_out)[None, :] * stride + np.arange(kernel)[:, None] - pad
    return np.where((position >= 0) & (position < n_in), position, -1)


def _join(rows: NDArray[np.intp], columns: NDArray[np.intp], hw: tuple[int, int]) -> NDArray[np.intp]:
    """Positions along both axes to flat pixels ``[kh*kw, n_rows*n_columns]``; outside: ``h*w``."""
    row, column = rows[:, None, :, None], columns[None, :, None, :]
    flat = np.where((row >= 0) & (column >= 0), row * hw[1] + column, hw[0] * hw[1])
    return np.ascontiguousarray(flat.reshape(rows.shape[0] * columns.shape[0], rows.shape[1] * columns.shape[1]))


def _phases(window: Window, in_hw: tuple[int, int], out_hw: tuple[int, int]) -> list[Phase]:
    phases = []
    for phase_h in range(window.stride_h):
        rows, taps_h, from_h = _backward_reach(
            phase_h, in_hw[0], out_hw[0], window.kernel_h, window.stride_h, window.pad_top
        )
        for phase_w in range(window.stride_w):
            columns, taps_w, from_w = _backward_reach(
                phase_w, in_hw[1], out_hw[1], window.kernel_w, window.stride_w, window.pad_left
            )
            pixels = (rows[:, None] * in_hw[1] + columns[None, :]).reshape(-1)
            taps = (taps_h[:, None] * window.kernel_w + taps_w[None, :]).reshape(-1)
            if pixels.size and taps.size:  # a stride beyond the kernel leaves inputs that nothing reads
                phases.append(Phase(pixels, taps, _join(from_h, from_w, out_hw)))
    return phases


def _backward_reach(
    phase: int, n_in: int, n_out: int, kernel: int, stride: int, pad: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Along one axis: positions with ``(position + pad) % stride == phase``, their taps, the outputs these reach."""
    positions = np.arange(n_in)[(np.arange(n_in) + pad) % stride == phase]
    taps = np.arange(phase, kernel, stride)
    reached = (positions[None, :] + pad - taps[:, None]) // stride
    return positions, taps, np.where((reached >= 0) & (reached < n_out), reached, -1)
