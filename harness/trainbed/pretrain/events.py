# SPDX-License-Identifier: Apache-2.0
"""What the host tells while it trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class PretrainEpoch:
    """One epoch on the host is done; ``accuracy`` None without labels."""

    epoch: int
    epochs: int
    loss: float
    accuracy: float | None

    def line(self) -> str:
        """The state in one line."""
        accuracy = f"  accuracy {self.accuracy:6.1%}" if self.accuracy is not None else ""
        done = f"{self.epoch + 1:{len(str(self.epochs))}}/{self.epochs}"
        return f"pre-training on the host {done}  loss {self.loss:.5f}{accuracy}"


@dataclass(frozen=True)
class PretrainDone:
    """The host has trained, or found what it had trained. ``test_accuracy`` None without labels."""

    engine: str
    test_accuracy: float | None
    sparsity: float
    reset: tuple[str, ...]
    cached: bool

    def line(self) -> str:
        """The outcome in one line."""
        how = "pre-trained before, found in the cache" if self.cached else f"pre-trained on the host ({self.engine})"
        accuracy = f", test accuracy {self.test_accuracy:.1%}" if self.test_accuracy is not None else ""
        sparsity = f", {self.sparsity:.0%} of the weights are zero" if self.sparsity >= 0.005 else ""
        reset = f"; {', '.join(self.reset)} starts anew" if self.reset else ""
        return f"{how}{accuracy}{sparsity}{reset}"


TellEpoch = Callable[[PretrainEpoch], None]
HostEvent = PretrainEpoch | PretrainDone
Tell = Callable[[HostEvent], None]
