# SPDX-License-Identifier: Apache-2.0
"""Seeded faults on the line between client and guest, in both directions."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields

from trainbed.backends.base import Budget, Cost, Guest

MAX_BURST_BITS = 32
MAX_GARBAGE_BYTES = 16


@dataclass(frozen=True)
class FaultRates:
    """Probability, per transfer and direction, that each kind of fault strikes once; kinds strike independently."""

    bit_flip: float = 0.0
    """One bit inverted."""
    burst: float = 0.0
    """Up to 32 bits in a row replaced by noise."""
    drop: float = 0.0
    """One byte missing."""
    duplicate: float = 0.0
    """One byte twice."""
    swap: float = 0.0
    """Two neighbouring bytes exchanged."""
    truncate: float = 0.0
    """Everything after some byte missing."""
    insert: float = 0.0
    """Up to 16 bytes of noise in between."""
    zero: float = 0.0
    """A delimiter in between."""
    lose: float = 0.0
    """The whole transfer missing."""
    repeat: float = 0.0
    """The whole transfer twice."""

    def __post_init__(self) -> None:
        for field in fields(self):
            rate = getattr(self, field.name)
            if not 0.0 <= rate <= 1.0:
                raise ValueError(f"the rate of {field.name} is {rate}; a probability is needed")

    @classmethod
    def every_kind(cls, rate: float) -> FaultRates:
        """Faults of all kinds, at ``rate`` altogether: each kind has an equal part of it."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: rate / len(names) for name in names})

    @classmethod
    def only(cls, kind: str, rate: float) -> FaultRates:
        """Faults of one kind."""
        return cls(**{kind: rate})


KINDS = tuple(field.name for field in fields(FaultRates))
Mutation = Callable[[random.Random, bytearray], None]


def mutate(rng: random.Random, data: bytes, *, kind: str) -> bytes:
    """``data`` with one fault of this kind; data may come out unchanged (a byte swapped with its equal)."""
    damaged = bytearray(data)
    if damaged:
        _MUTATIONS[kind](rng, damaged)
    return bytes(damaged)


def _bit_flip(rng: random.Random, data: bytearray) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _burst(rng: random.Random, data: bytearray) -> None:
    start = rng.randrange(8 * len(data))
    for bit in range(start, min(start + rng.randint(2, MAX_BURST_BITS), 8 * len(data))):
        data[bit // 8] ^= rng.getrandbits(1) << (bit % 8)


def _drop(rng: random.Random, data: bytearray) -> None:
    del data[rng.randrange(len(data))]


def _duplicate(rng: random.Random, data: bytearray) -> None:
    at = rng.randrange(len(data))
    data.insert(at, data[at])


def _swap(rng: random.Random, data: bytearray) -> None:
    if len(data) > 1:
        at = rng.randrange(len(data) - 1)
        data[at], data[at + 1] = data[at + 1], data[at]


def _truncate(rng: random.Random, data: bytearray) -> None:
    del data[rng.randrange(len(data)) :]


def _insert(rng: random.Random, data: bytearray) -> None:
    at = rng.randint(0, len(data))
    data[at:at] = rng.randbytes(rng.randint(1, MAX_GARBAGE_BYTES))


def _zero(rng: random.Random, data: bytearray) -> None:
    data.insert(rng.randint(0, len(data)), 0)


def _lose(rng: random.Random, data: bytearray) -> None:
    data.clear()


def _repeat(rng: random.Random, data: bytearray) -> None:
    data.extend(data)


_MUTATIONS: dict[str, Mutation] = {
    "bit_flip": _bit_flip,
    "burst": _burst,
    "drop": _drop,
    "duplicate": _duplicate,
    "swap": _swap,
    "truncate": _truncate,
    "insert": _insert,
    "zero": _zero,
    "lose": _lose,
    "repeat": _repeat,
}


class Faults:
    """A guest behind a bad line. The same seed, rates and traffic give the same faults."""

    def __init__(self, guest: Guest, *, seed: int, rates: FaultRates) -> None:
        self._guest = guest
        self._rng = random.Random(seed)
        self._rates = rates
        self.injected: Counter[str] = Counter()
        """How often each kind struck."""

    @property
    def backend(self) -> str:
        """Name of the backend behind the line."""
        return self._guest.backend

    @property
    def version(self) -> str:
        """Version of the emulator behind the line."""
        return self._guest.version

    def start(self) -> None:
        """Power on; see Guest.start."""
        self._guest.start()

    def exchange(self, data: bytes, *, budget: Budget) -> bytes:
        """As Guest.exchange, with faults on the way there and on the way back."""
        return self._strike(self._guest.exchange(self._strike(data), budget=budget))

    def cost(self) -> Cost:
        """Counts since start()."""
        return self._guest.cost()

    def stack_bytes(self) -> int:
        """High-water mark of the stack."""
        return self._guest.stack_bytes()

    def read_memory(self, address: int, n_bytes: int) -> bytes:
        """Bytes of the guest's memory."""
        return self._guest.read_memory(address, n_bytes)

    def close(self) -> None:
        """Give the guest back."""
        self._guest.close()

    def _strike(self, data: bytes) -> bytes:
        for kind in KINDS:
            if data and self._rng.random() < getattr(self._rates, kind):
                self.injected[kind] += 1
                data = mutate(self._rng, data, kind=kind)
        return data
