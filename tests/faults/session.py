# SPDX-License-Identifier: Apache-2.0
"""One training session with the loopback guest, and everything that tells whether it went as it should."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from loopback_guest import Config, Loopback, samples
from numpy.typing import NDArray

from trainbed.backends.base import Guest
from trainbed.link.client import Client, LinkCounters
from trainbed.link.codes import XFormat
from trainbed.link.faults import FaultRates, Faults
from trainbed.network.training import Sgd
from trainbed.trainer import Course, Event, Trainer

CONFIG = Config(x_format=XFormat.U8, resident_samples=40, rx_bytes=96, tx_bytes=128)


@dataclass(frozen=True, eq=False)
class Outcome:
    """Events, final weights and what the model was told, of one session."""

    events: list[Event]
    weights: NDArray[np.float32]
    records: list[tuple[str, float]]
    counters: LinkCounters = field(default_factory=LinkCounters)

    def __eq__(self, other: object) -> bool:
        """Equal but for what the link went through and for cycles, which repeats do not change in a real guest."""
        return (
            isinstance(other, Outcome)
            and self.events == other.events
            and self.weights.tobytes() == other.weights.tobytes()
            and self.records == other.records
        )


def train(guest: Loopback, line: Guest, *, resident: bool, config: Config = CONFIG, retries: int = 32) -> Outcome:
    """Power on and train 21 samples for two epochs in batches of four, over ``line`` that ends at ``guest``."""
    line.start()
    client = Client(line, retries=retries)
    course = Course(epochs=2, batch_size=4, optimizer=Sgd(0.1), resident=resident)
    trainer = Trainer(client, samples(config, 21), samples(config, 7, first=100), course)
    events = list(trainer.run())
    return Outcome(events, trainer.read_weights(), guest.records(), client.counters)


def train_with_faults(guest: Loopback, *, seed: int, rates: FaultRates, resident: bool) -> Outcome:
    """The same behind a bad line."""
    return train(guest, Faults(guest, seed=seed, rates=rates), resident=resident)
