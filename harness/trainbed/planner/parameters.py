# SPDX-License-Identifier: Apache-2.0
"""Where each parameter lies: what is trained in RAM, in one block the link moves in words of four bytes; what is
frozen in flash.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trainbed.network.layers import Layer, Network

Arrays = Mapping[str, NDArray[np.generic]]
"""Arrays of parameters by the names of their fields."""

_ALIGNMENT = 4


@dataclass(frozen=True)
class Field:
    """One array of parameters: ``what`` of a layer, its type, its place."""

    layer: str
    what: str
    """``weights``, ``bias``, or what a precision adds, such as ``scale``."""
    dtype: str
    """Name of a NumPy type; little-endian on every device."""
    shape: tuple[int, ...]
    in_flash: bool = False
    rows: int = 1
    """Outputs whose elements lie together on the device: blocks of so many of the first axis, input by input."""
    offset: int = 0
    """Bytes from the start of trn_parameters; 0 in flash, where each field is a constant of its own."""

    @property
    def name(self) -> str:
        """Name in an npz: ``<layer>.<what>``."""
        return f"{self.layer}.{self.what}"

    @property
    def count(self) -> int:
        """Elements."""
        return math.prod(self.shape)

    @property
    def n_bytes(self) -> int:
        """Bytes without padding."""
        return self.count * np.dtype(self.dtype).itemsize

    def as_stored(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        """The elements ``[count]`` in the device's order."""
        flat = np.asarray(array).reshape(-1)
        return flat[self._order()] if self.rows > 1 else flat

    def from_stored(self, flat: NDArray[np.generic]) -> NDArray[np.generic]:
        """The opposite of as_stored()."""
        if self.rows > 1:
            logical = np.empty_like(flat)
            logical[self._order()] = flat
            flat = logical
        return flat.reshape(self.shape)

    def _order(self) -> NDArray[np.int64]:
        """Logical index of each stored element."""
        index = np.arange(self.count).reshape(self.shape[0], -1)
        blocks = [index[o : o + self.rows].T.reshape(-1) for o in range(0, len(index), self.rows)]
        return np.concatenate(blocks)


@dataclass(frozen=True)
class ParameterLayout:
    """All fields in the order in which they are named, kept and hashed."""

    fields: tuple[Field, ...]

    @property
    def ram_bytes(self) -> int:
        """Length of trn_parameters: whole words."""
        ends = (field.offset + field.n_bytes for field in self.fields if not field.in_flash)
        return _aligned(max(ends, default=0))

    @property
    def flash_bytes(self) -> int:
        """Constants."""
        return sum(field.n_bytes for field in self.fields if field.in_flash)

    @property
    def n_words(self) -> int:
        """Words of trn_parameters, as the link counts them."""
        return self.ram_bytes // 4

    def of(self, layer: str, what: str) -> Field:
        """The field ``what`` of a layer. Raises KeyError."""
        for field in self.fields:
            if field.layer == layer and field.what == what:
                return field
        raise KeyError(f"{layer}.{what}")

    def pack(self, arrays: Arrays) -> NDArray[np.float32]:
        """The fields in RAM as the link carries them: float32 ``[n_words]``, the bits of whatever they are."""
        block = np.zeros(self.ram_bytes, np.uint8)
        for field in self.fields:
            if not field.in_flash:
                block[field.offset : field.offset + field.n_bytes] = _bytes_of(field, arrays[field.name])
        return block.view("<f4").astype(np.float32, copy=False)

    def unpack(self, words: NDArray[np.float32], constants: Arrays) -> dict[str, NDArray[np.generic]]:
        """Every field by name, those in flash taken from ``constants``: the opposite of pack()."""
        block = np.ascontiguousarray(words, dtype="<f4").view(np.uint8)
        arrays: dict[str, NDArray[np.generic]] = {}
        for field in self.fields:
            if field.in_flash:
                arrays[field.name] = np.asarray(constants[field.name])
            else:
                part = block[field.offset : field.offset + field.n_bytes]
                stored = part.view(np.dtype(field.dtype).newbyteorder("<")).astype(field.dtype)
                arrays[field.name] = field.from_stored(stored)
        return arrays


def lay_out(fields: Iterable[Field]) -> ParameterLayout:
    """Fields with their offsets: those in RAM one behind the other, each at a multiple of four bytes."""
    placed, at = [], 0
    for field in fields:
        placed.append(replace(field, offset=0 if field.in_flash else at))
        if not field.in_flash:
            at += _aligned(field.n_bytes)
    return ParameterLayout(tuple(placed))


def float32_layout(network: Network, *, frozen: bool = False) -> ParameterLayout:
    """Weights and biases as float32; ``frozen``: every layer is."""

    def fields(layer: Layer) -> Iterable[Field]:
        in_flash = frozen or not layer.trainable
        yield Field(layer.name, "weights", "float32", layer.weight_shape, in_flash)
        yield Field(layer.name, "bias", "float32", (layer.n_biases,), in_flash)

    return lay_out(field for layer in network.parametric for field in fields(layer))


def _aligned(n_bytes: int) -> int:
    return -(-n_bytes // _ALIGNMENT) * _ALIGNMENT


def _bytes_of(field: Field, array: NDArray[np.generic]) -> NDArray[np.uint8]:
    assert array.dtype == np.dtype(field.dtype) and array.shape == field.shape, (
        f"{field.name}: {array.dtype}{list(array.shape)}, planned {field.dtype}{list(field.shape)}"
    )
    little = np.ascontiguousarray(field.as_stored(array), dtype=np.dtype(field.dtype).newbyteorder("<"))
    return little.reshape(-1).view(np.uint8)
