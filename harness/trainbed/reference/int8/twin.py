# SPDX-License-Identifier: Apache-2.0
"""What the firmware computes in uint8, mixed and int8_qas, in NumPy, to the bit (docs/numerics-integer.md)."""

from __future__ import annotations

import numpy as np

from trainbed.planner.int8.plan import Int8Plan
from trainbed.planner.parameters import Arrays
from trainbed.reference.arrays import F32
from trainbed.reference.int8.arithmetic import U8
from trainbed.reference.int8.backward import Backward, Choices
from trainbed.reference.int8.forward import Forward, rows
from trainbed.reference.int8.learning import Learner
from trainbed.reference.int8.state import State
from trainbed.reference.loss import loss_forward
from trainbed.reference.twin import BatchResult

_CHUNK = 64


class Int8Twin:
    """Trains and evaluates as the 8-bit runtime does.

    ``parameters``: arrays by the names of the plan's fields; copies of them change. Inputs are codes
    ``uint8 [B, H, W, C]``, targets ``float32 [B, n_out]``.
    """

    def __init__(self, plan: Int8Plan, parameters: Arrays) -> None:
        self.plan = plan
        self.design = plan.design
        self.choices = Choices()
        self._state = State(plan, parameters)
        self._forward = Forward(self._state)
        self._backward = Backward(self._state, self.choices)
        self._learner = Learner(self._state)

    def arrays(self) -> Arrays:
        """Parameters by the names of the plan's fields."""
        return dict(self._state.arrays)

    def set_lr(self, lr: np.float32) -> None:
        """Learning rate of the steps that follow."""
        self._learner.set_lr(lr)

    def train_batch(self, x: U8, t: F32) -> BatchResult:
        """One batch; no step where a loss is not finite."""
        with np.errstate(all="ignore"):
            run = self._forward.run(x)
            head = self.design.head
            z = rows(run.values[head.name])
            losses, p = loss_forward(z, t, self.plan.loss, head.activation)
            bad = np.flatnonzero(~np.isfinite(losses))
            if bad.size:
                return BatchResult(losses, p, diverged_at=int(bad[0]))
            error = self._backward.loss_error(p, t)
            self._learner.step(run, self._backward.run(run, error, n_samples=len(x)), n_samples=len(x))
        return BatchResult(losses, np.ascontiguousarray(p))

    def evaluate(self, x: U8, t: F32) -> BatchResult:
        """Losses and outputs; changes nothing."""
        head = self.design.head
        losses, outputs = np.empty(len(x), np.float32), np.empty((len(x), head.out_size), np.float32)
        with np.errstate(all="ignore"):
            for first in range(0, len(x), _CHUNK):
                part = slice(first, first + _CHUNK)
                z = rows(self._forward.run(x[part]).values[head.name])
                losses[part], outputs[part] = loss_forward(z, t[part], self.plan.loss, head.activation)
        bad = np.flatnonzero(~np.isfinite(losses))
        return BatchResult(losses, outputs, diverged_at=int(bad[0]) if bad.size else None)

    def observe_errors(self, x: U8, t: F32, *, rounds: int) -> None:
        """Takes the magnitudes of a batch's errors as their ranges ``rounds`` times and learns nothing: calibration."""
        with np.errstate(all="ignore"):
            run = self._forward.run(x)
            head = self.design.head
            _, p = loss_forward(rows(run.values[head.name]), t, self.plan.loss, head.activation)
            error = self._backward.loss_error(p, t)
            for _ in range(rounds):  # the forward pass is the same in all: it reads no range of errors
                seen = self._backward.run(run, error, n_samples=len(x)).seen
                for tensor, span in seen.items():
                    self._learner.follow_error(tensor, span, follow=1.0)
                self._state.refresh()
