# SPDX-License-Identifier: Apache-2.0
"""Session: the story of a run, step by step: build, boot, inject, train, judge, keep.

Every face and run_scenario() go through it. Each step takes the ones before it that have not been taken yet, so
``Session(scenario).result()`` is a whole run, and a test may stop, look and go on after each step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from trainbed.backends.base import Cost, Guest
from trainbed.backends.registry import choose_backend, open_guest
from trainbed.contract import evaluate, judge, ulp_distance
from trainbed.errors import GuestError, InputError
from trainbed.facts import Finished, Training, make_result
from trainbed.link.client import Client, LinkCounters
from trainbed.network.precision import DynamicUpdate
from trainbed.powered import MakeGuest, PoweredBoard
from trainbed.prepare import Built, Prepared, build_firmware, prepare
from trainbed.pretrain.events import HostEvent
from trainbed.result import (
    PRETRAIN_FILE,
    PRETRAINED_FILE,
    PREVIEW_FILE,
    UPDATES_FILE,
    UPDATES_PICTURE,
    Expectation,
    Result,
    npz_bytes,
    save_run,
    weights_sha256,
)
from trainbed.scenario.scenario import Scenario
from trainbed.scenario.schema import ExpectKeys
from trainbed.trainer import Course, Diverged, EpochDone, Evaluated, Event, Started, Trainer
from trainbed.weights import named

if TYPE_CHECKING:
    from trainbed.updates import UpdateDiary

OnEvent = Callable[[Built | Event | HostEvent], None]

DEFAULT_GUEST_S = 1.0
"""Guest seconds a raw exchange over the UART may take."""


class Session:
    """One scenario on one board. Not thread-safe. Use it as a context manager, or call close()."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        backend: str | None = None,
        board: str | None = None,
        sanitize: bool = False,
        firmware: Path | None = None,
        on_event: OnEvent | None = None,
        guest: MakeGuest = open_guest,
    ) -> None:
        """Check, load, plan and pre-train; the device's firmware is not built yet.

        ``backend``, ``board``: others than the scenario's. ``sanitize``: see BuildOptions. ``firmware``: folder with
        the sources of the runtime; None: the one trainbed came with. ``on_event``: told of the firmware and of the
        training. ``guest``: makes the guest; another than the registry's for a debugger's. Raises InputError,
        MissingTool.
        """
        self._started = time.monotonic()
        self._sanitize = sanitize
        self._firmware = firmware
        self._tell = on_event if on_event is not None else _ignore
        self.prepared: Prepared = prepare(scenario, board=board, tell=self._tell)
        self.backend = choose_backend(self.prepared.board, backend or scenario.backend)
        self._built: Built | None = None
        self._power = PoweredBoard(self.prepared.board, self.backend, scenario, build=self.build, open_guest=guest)
        self._trainer: Trainer | None = None
        self._events: Iterator[Event] = iter(())
        self._epochs: list[EpochDone] = []
        self._tested: Evaluated | None = None
        self._n_evaluated = 0
        self._diverged: Diverged | None = None
        self._weights: NDArray[np.float32] | None = None
        self._ulp: tuple[int | None] | None = None
        self._reference: tuple[NDArray[np.float32], UpdateDiary] | None = None
        self._result: Result | None = None
        self._finished: Finished | None = None

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        epochs = f"{len(self._epochs)} of {self.scenario.training.epochs} epochs trained"
        return f"<Session {self.scenario.name!r} on {self.prepared.board.name} ({self.backend}), {epochs}>"

    @property
    def scenario(self) -> Scenario:
        """What is run."""
        return self.prepared.scenario

    # --- steps -------------------------------------------------------------------------------------------------------

    def build(self) -> Built:
        """The firmware. Raises DoesNotFit, BuildError, MissingTool."""
        if self._built is None:
            self._built = build_firmware(self.prepared, sanitize=self._sanitize, firmware=self._firmware)
            self._tell(self._built)
        return self._built

    def boot(self) -> None:
        """Power on, or off and on again: memories and counters are cleared, training starts over. Raises GuestError."""
        self.build()
        self._n_evaluated = 0
        self._forget_training()
        self._power.boot()

    def inject(self) -> Started:
        """Open the link, set the initial weights, send what stays on the device of the data set; training starts over.

        Raises DataError, GuestError.
        """
        self._powered()
        self._forget_training()
        scenario, data = self.scenario, self.prepared.data
        course = Course(
            epochs=scenario.training.epochs,
            batch_size=scenario.training.batch_size,
            optimizer=scenario.training.optimizer,
            seed=scenario.training.seed,
            shuffle=scenario.training.shuffle,
            resident=self.prepared.resident,
            targets=self.prepared.target_table,
            fingerprint=self.prepared.plan.fingerprint,
        )
        augmentation = self.prepared.augmentation
        vary = augmentation.epoch if augmentation is not None else None
        self._trainer = Trainer(self.link, data.train, data.test, course, weights=self._initial(), vary=vary)
        self._events = self._trainer.run()
        with self._power.unbroken():
            started = next(self._events)
        assert isinstance(started, Started)  # what Trainer.run() tells first
        self._tell(started)
        return started

    def train(self, epochs: int | None = None) -> tuple[EpochDone, ...]:
        """Train the next ``epochs``, None: all that are left; the test set is evaluated after the scenario's last one.

        Returns the epochs trained; fewer when training diverged. Raises InputError when so many are not left,
        GuestError.
        """
        self._injected()
        left = 0 if self.diverged else self.scenario.training.epochs - len(self._epochs)
        wanted = left if epochs is None else epochs
        if epochs is not None and not 1 <= epochs <= left:
            why = "training has diverged" if self.diverged else f"training.epochs is {self.scenario.training.epochs}"
            raise InputError(f"{wanted} epochs were to be trained, {left} are left: {why}")
        before = len(self._epochs)
        with self._power.unbroken():
            while len(self._epochs) - before < wanted and self.diverged is None:
                self._take(next(self._events))
            if self.finished:
                for event in self._events:
                    self._take(event)
        return tuple(self._epochs[before:])

    def evaluate(self) -> Evaluated:
        """Loss and accuracy on the test set with the weights as they are. Raises DataError without one, GuestError."""
        self._injected()
        assert self._trainer is not None
        with self._power.unbroken():
            self._take(self._trainer.evaluate(len(self._epochs) - 1))
        assert self._tested is not None
        return self._tested

    def result(self) -> Result:
        """Train what is left, hold it against the scenario's contract. Stays available after close()."""
        if self._result is None:
            self.train()
            snapshot = self.snapshot()
            asked = self.scenario.expect.matches_reference is not None
            self._result = judge(self.scenario.expect, snapshot, reference_ulp=self._agreement() if asked else None)
        return self._result

    def save(self, out: Path) -> None:
        """Keep the run in a folder: firmware.elf, weights.npz, plan.json, profile.json, result.json,
        and what the host made of weights and data before.

        Its result() must have been asked for.
        """
        if self._result is None or self._weights is None or self._finished is None:
            raise InputError("there is no result to keep yet; ask for result() first")
        from trainbed.report.record import save_record  # late: a run that is not kept is not to load it

        save_record(out, self._finished)
        elf = self.build().firmware.image.elf
        save_run(out, self._result, weights=self.parameters(), elf=elf, extras=self._host_files())

    def close(self) -> None:
        """Power off; safe to call twice and after an error."""
        self._power.close()

    # --- looking -----------------------------------------------------------------------------------------------------

    @property
    def guest(self) -> Guest:
        """The running guest; boots when needed."""
        return self._powered().guest

    @property
    def post_mortem(self) -> Path | None:
        """Folder for the state of a guest that breaks; None: one in the cache. The error says which."""
        return self._power.post_mortem

    @post_mortem.setter
    def post_mortem(self, folder: Path | None) -> None:
        self._power.post_mortem = folder

    @property
    def link(self) -> Client:
        """The host's end of the link to the running guest, behind the scenario's link faults; boots when needed."""
        return self._powered().link

    @property
    def link_counters(self) -> LinkCounters:
        """What the host's end of the link has seen since the guest was booted."""
        return self._power.link_counters

    @property
    def faults_injected(self) -> Mapping[str, int]:
        """How often each kind of link fault struck since the guest was booted."""
        return self._power.faults_injected

    @property
    def losses(self) -> tuple[float, ...]:
        """Mean loss of each epoch trained so far."""
        return tuple(epoch.loss for epoch in self._epochs)

    @property
    def diverged(self) -> Diverged | None:
        """Where training met a loss that is not finite."""
        return self._diverged

    @property
    def broken(self) -> GuestError | None:
        """What broke the guest since it was booted; every further step raises it again."""
        return self._power.broken

    @property
    def finished(self) -> bool:
        """All epochs are trained, or training diverged."""
        return self._diverged is not None or len(self._epochs) == self.scenario.training.epochs

    def weights(self) -> NDArray[np.float32]:
        """What is trained, as it is on the device: float32 [n_words], layers in order, weights then bias.

        In the integer precisions the words hold other types: see parameters().
        """
        self._injected()
        if self._weights is None:
            with self._power.unbroken():
                self._weights = self.link.read_parameters()
        return self._weights

    def parameters(self) -> Mapping[str, NDArray[np.generic]]:
        """Every parameter by name (``<layer>.weights``), as it is on the device; frozen ones as they were built in."""
        words = self._weights if self._weights is not None else self.weights()
        return self.prepared.plan.parameters.unpack(words, self.prepared.initial)

    def weights_sha256(self) -> str:
        """Digest of all parameters: equal digests mean equal bits."""
        return weights_sha256(self.parameters().values())

    def cost(self) -> Cost:
        """Counts since the guest was booted."""
        return self._powered().guest.cost()

    def exchange(self, data: bytes, *, guest_s: float = DEFAULT_GUEST_S) -> bytes:
        """Send raw bytes into the guest's UART; what it sent until it waits again, within ``guest_s`` guest seconds.

        Raises GuestHang when that is not enough (wall clock on native, which has no guest time), GuestError.
        """
        return self._powered().exchange(data, guest_s=guest_s)

    def check(self, name: str, bound: object) -> Expectation:
        """One line of a contract, such as ``check("cycles_per_sample", {"max": 70000})``, of the training so far.

        ``name`` and ``bound`` as under ``expect`` in a scenario. Raises InputError for what is no expectation,
        GuestError.
        """
        try:
            expect = ExpectKeys.model_validate({name: bound})
        except ValidationError as error:
            raise InputError(f"expect: {{{name}: {bound}}}: {error.errors()[0]['msg']}") from None
        self._injected()
        if (expect.test_accuracy or expect.balanced_accuracy) and self._tested is None:
            self.evaluate()
        ulp = self._agreement() if expect.matches_reference is not None else None
        return evaluate(expect, self._result or self.snapshot(), reference_ulp=ulp)[0]

    # --- inside ------------------------------------------------------------------------------------------------------

    def _host_files(self) -> dict[str, bytes]:
        """Pre-trained weights and their record; a sheet of augmented images."""
        prepared, files = self.prepared, {}
        if prepared.pretrained is not None:
            files[PRETRAIN_FILE] = prepared.pretrained.record.to_json().encode()
            files[PRETRAINED_FILE] = npz_bytes(named(prepared.network, prepared.pretrained.weights))
        if prepared.augmentation is not None:
            from trainbed.data.preview import preview_sheet  # late: few runs need it

            files[PREVIEW_FILE] = preview_sheet(prepared.augmentation, prepared.data.train)
        if self._chooses:
            diary = self._replayed()[1]
            files[UPDATES_FILE], files[UPDATES_PICTURE] = diary.npz(), diary.svg()
        return files

    def _forget_training(self) -> None:
        self._trainer = None
        self._events = iter(())
        self._epochs = []
        self._diverged = None
        self._forget_weights()

    def _forget_weights(self) -> None:
        """What was known of weights that are no more."""
        self._tested = self._weights = self._ulp = self._result = self._reference = None

    def _powered(self) -> PoweredBoard:
        if not self._power.on:
            self.boot()
        return self._power

    def _injected(self) -> None:
        if self._trainer is None:
            self.inject()

    def _take(self, event: Event) -> None:
        self._tell(event)
        if isinstance(event, EpochDone):
            self._forget_weights()
            self._epochs.append(event)
            self._power.check_budget()
        elif isinstance(event, Diverged):
            self._forget_weights()
            self._diverged = event
        elif isinstance(event, Evaluated):
            self._tested = event
            self._n_evaluated += event.n_samples

    def snapshot(self) -> Result:
        """The training so far as a result, not judged."""
        training = Training(
            tuple(self._epochs),
            self._tested,
            self._diverged,
            tuple(self.parameters().values()),
            len(self.prepared.data.train),
            self._n_evaluated,
            update_share=tuple(self._replayed()[1].share) if self._chooses else None,
        )
        guest = self._powered().guest
        self._finished = Finished(
            built=self.build(),
            training=training,
            backend=guest.backend,
            backend_version=guest.version,
            cost=guest.cost(),
            stack_bytes=guest.stack_bytes(),
            wall_s=time.monotonic() - self._started,
        )
        return make_result(self._finished)

    def _initial(self) -> NDArray[np.float32] | None:
        """What the device is sent to start from; None: it has a generator of its own."""
        prepared = self.prepared
        return prepared.plan.parameters.pack(prepared.initial) if prepared.sends_initial else None

    def _agreement(self) -> int | None:
        """Distance of the weights from the twin's after the same epochs, in units in the last place."""
        if self._ulp is None:
            self._ulp = (ulp_distance(self.weights(), self._replayed()[0]),)
        return self._ulp[0]

    def _replayed(self) -> tuple[NDArray[np.float32], UpdateDiary]:
        """The twin's parameters after the same epochs, and what its updates chose on the way."""
        if self._reference is None:
            from trainbed.replay import replay  # late: a run that does not ask is not to load the twin
            from trainbed.updates import UpdateDiary

            begun = len(self._epochs) + (self._diverged is not None)
            diary = UpdateDiary()
            watch = diary.watch if self._chooses else None
            self._reference = (replay(self.prepared, epochs=begun, on_batch=watch), diary)
            diary.finish()
        return self._reference

    @property
    def _chooses(self) -> bool:
        """Structures are chosen sample by sample."""
        return isinstance(self.prepared.plan.precision.update, DynamicUpdate)


def _ignore(event: Built | Event | HostEvent) -> None:
    """The listener of a run nobody watches."""
