# SPDX-License-Identifier: Apache-2.0
"""The host's end of the link: one request at a time, repeated until it is answered or the retry budget is spent."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trainbed.backends.base import Budget, Guest, LoadsSamples
from trainbed.errors import GuestReset, LinkLost, ProtocolError
from trainbed.link import frames, messages
from trainbed.link.codes import PROTOCOL_VERSION, ErrorCode, NakReason
from trainbed.link.messages import Info, Message, Nak, Ready, Refused, decode

DEFAULT_RETRIES = 32


@dataclass
class LinkCounters:
    """What the host's end has seen. All of it is zero but ``frames`` and the bytes on an undisturbed link."""

    frames: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    repeats: int = 0
    """Requests sent again."""
    naks: int = 0
    silences: int = 0
    """Exchanges without any answer."""
    damaged: int = 0
    """Pieces received that were no frame."""
    reasons: dict[str, int] = field(default_factory=dict)
    """How often the guest gave which NakReason."""


class RequestRefused(ProtocolError):
    """The guest understood a request and did not carry it out: an ErrorCode and the number to blame."""

    def __init__(self, request: str, error: int, detail: int) -> None:
        self.error = error
        self.detail = detail
        name = ErrorCode(error).name.lower() if error in ErrorCode._value2member_map_ else str(error)
        super().__init__(f"the guest refused {request}: {name} ({detail})")


class Client:
    """Typed requests to a guest over a link that may lose, double or damage bytes.

    Every method raises LinkLost (retry budget spent), GuestReset (the guest restarted), ProtocolError or RequestRefused
    (it said something it must not, or refused), and what Guest.exchange raises.
    """

    def __init__(self, guest: Guest, *, budget: Budget | None = None, retries: int = DEFAULT_RETRIES) -> None:
        self._guest = guest
        self._budget = budget if budget is not None else Budget()
        self._retries = retries
        self._seq = 0
        self._info: Info | None = None
        self._grant = 0
        self.counters = LinkCounters()

    @property
    def info(self) -> Info:
        """What the firmware was built for. Raises ProtocolError before connect()."""
        if self._info is None:
            raise ProtocolError("the link is not open; call connect() first")
        return self._info

    # --- session -----------------------------------------------------------------------------------------------------

    def connect(self) -> Info:
        """Opens a session with a started guest: learns its credit, says HELLO."""
        self._info = None
        self._grant = 0
        self._seq = 0
        for _ in range(self._retries):
            self._scan(self._exchange(frames.DELIMITER), None)
            if self._grant:
                break
        else:
            raise LinkLost(f"the guest did not grant any credit in {self._retries} attempts ({self._history()})")
        info = self._request(messages.Hello(protocol=PROTOCOL_VERSION), Info)
        if info.protocol != PROTOCOL_VERSION:
            raise ProtocolError(f"the guest speaks protocol {info.protocol}, this harness {PROTOCOL_VERSION}")
        self._grant = info.rx_bytes
        self._info = info
        return info

    # --- typed requests ----------------------------------------------------------------------------------------------

    def init(self, seed: int) -> None:
        """Weights from the seeded generator on the device."""
        self._request(messages.Init(seed=seed & 0xFFFFFFFF), messages.Ack)

    def set_targets(self, values: ArrayLike) -> None:
        """Target values of labels 0, 1, ...: float32 [n], for a network with one output."""
        self._request(messages.SetTargets(values=np.asarray(values, dtype=np.float32).ravel()), messages.Ack)

    def write_parameters(self, values: NDArray[np.float32]) -> None:
        """Replaces all parameters: float32 [n_parameters]. Optimizer state becomes zero."""
        if values.shape != (self.info.n_parameters,):
            raise ProtocolError(f"{values.shape} parameters for a network of {self.info.n_parameters}")
        step = (self.info.rx_payload_bytes - messages.layout_of(messages.WriteParameters).n_bytes) // 4
        for offset in range(0, len(values), step):
            part = np.asarray(values[offset : offset + step], dtype=np.float32)
            self._request(messages.WriteParameters(offset=offset, values=part), messages.Ack)

    def read_parameters(self) -> NDArray[np.float32]:
        """All parameters: float32 [n_parameters]."""
        step = (self.info.tx_payload_bytes - messages.layout_of(messages.Parameters).n_bytes) // 4
        values = np.empty(self.info.n_parameters, dtype=np.float32)
        for offset in range(0, len(values), step):
            count = min(step, len(values) - offset)
            answer = self._request(messages.ReadParameters(offset=offset, count=count), messages.Parameters)
            if answer.offset != offset or len(answer.values) != count:
                raise ProtocolError(f"asked for {count} parameters, got {len(answer.values)} from {answer.offset}")
            values[offset : offset + count] = answer.values
        return values

    def write_samples(self, first: int, samples: bytes) -> None:
        """Writes resident samples ``first``, first + 1, ... from whole samples as they travel.

        Past the link where the guest's emulator can: it is the same memory, and the UART's bytes are what takes time.
        """
        if isinstance(self._guest, LoadsSamples):
            self._guest.load_samples(first * self.info.sample_bytes, samples)
            return
        step = self.info.rx_payload_bytes - messages.layout_of(messages.WriteSamples).n_bytes
        start = first * self.info.sample_bytes
        for offset in range(0, len(samples), step):
            part = samples[offset : offset + step]
            self._request(messages.WriteSamples(offset=start + offset, samples=part), messages.Ack)

    def begin_epoch(self, epoch: int, *, lr: float) -> None:
        """Counters of the epoch zero; ``lr`` is its learning rate."""
        self._request(messages.EpochBegin(epoch=epoch, lr=lr), messages.Ack)

    def train_indexed(self, position: int, indices: NDArray[np.uint16], *, batch_samples: int) -> messages.Trained:
        """Trains resident samples; ``position`` is the number of samples of this epoch before them."""
        request = messages.TrainIndexed(position=position, batch_samples=batch_samples, indices=indices)
        return self._request(request, messages.Trained)

    def train_samples(self, position: int, samples: bytes, *, batch_samples: int) -> messages.Trained:
        """Trains whole samples sent along; otherwise as train_indexed."""
        request = messages.TrainSamples(position=position, batch_samples=batch_samples, samples=samples)
        return self._request(request, messages.Trained)

    def evaluate_indexed(self, position: int, indices: NDArray[np.uint16]) -> messages.Evaluated:
        """Evaluates resident samples; position 0 starts a new evaluation."""
        return self._request(messages.EvaluateIndexed(position=position, indices=indices), messages.Evaluated)

    def evaluate_samples(self, position: int, samples: bytes) -> messages.Evaluated:
        """Evaluates whole samples sent along; position 0 starts a new evaluation."""
        return self._request(messages.EvaluateSamples(position=position, samples=samples), messages.Evaluated)

    def predict(self, x: bytes) -> NDArray[np.float32]:
        """Outputs float32 [n_outputs] of one sample's inputs as they travel."""
        return self.predict_timed(x)[0]

    def predict_timed(self, x: bytes) -> tuple[NDArray[np.float32], int]:
        """As predict, and what the inference took by the on-chip counter, 0 where there is none."""
        answer = self._request(messages.Predict(x=x), messages.Outputs)
        return answer.values, answer.device_cycles

    def status(self) -> messages.StatusReport:
        """What the device's end of the link has seen since it started."""
        return self._request(messages.Status(), messages.StatusReport)

    def samples_per_message(self, message: type[Message]) -> int:
        """How many samples (or indices of samples) one TRAIN or EVALUATE message carries at most.

        Raises ProtocolError when not even one fits the guest's receive buffer.
        """
        layout = messages.layout_of(message)
        indexed = layout.rest is not None and layout.rest[1].kind == "u16"
        n = (self.info.rx_payload_bytes - layout.n_bytes) // (2 if indexed else self.info.sample_bytes)
        if n < 1:
            raise ProtocolError(
                f"a sample of {self.info.sample_bytes} bytes does not fit"
                f" the guest's receive buffer of {self.info.rx_bytes}"
            )
        return n

    # --- one request -------------------------------------------------------------------------------------------------

    def _request(self, message: Message, answer: type[messages.M]) -> messages.M:
        """Sends a request until its answer arrives. A repeat keeps its sequence number: it is not executed twice."""
        name = type(message).__name__
        raw = frames.encode(frames.Frame(code=message.code, seq=self._seq, payload=message.encode()))
        if len(raw) > self._grant:
            raise ProtocolError(f"{name} takes {len(raw)} bytes, the guest granted {self._grant}")
        self.counters.frames += 1
        for attempt in range(self._retries):
            self.counters.repeats += attempt > 0
            found = self._scan(self._exchange(raw), self._seq)
            if found is not None:
                self._seq = (self._seq + 1) & 0xFFFF
                return self._expect(name, found, answer)
        raise LinkLost(f"no answer to {name} in {self._retries} attempts ({self._history()})")

    def _exchange(self, raw: bytes) -> bytes:
        """One exchange. After silence a lone delimiter ends whatever part of a frame the guest may hold."""
        received = self._send(raw)
        if not received:
            self.counters.silences += 1
            received = self._send(frames.DELIMITER)
        return received

    def _send(self, raw: bytes) -> bytes:
        received = self._guest.exchange(raw, budget=self._budget)
        self.counters.bytes_sent += len(raw)
        self.counters.bytes_received += len(received)
        return received

    def _scan(self, received: bytes, seq: int | None) -> frames.Frame | None:
        """The answer to request ``seq`` among what was received; learns from NAK and READY on the way."""
        pieces, rest = frames.split(received)
        self.counters.damaged += bool(rest)
        found: frames.Frame | None = None
        for piece in pieces:
            try:
                frame = frames.decode(piece)
            except frames.FrameError:
                self.counters.damaged += 1
                continue
            if frame.code == Ready.code:
                self._on_ready(decode(Ready, frame.payload))
            elif frame.code == Nak.code:
                self._on_nak(decode(Nak, frame.payload))
            elif frame.seq == seq:
                found = frame
        return found

    def _on_ready(self, ready: Ready) -> None:
        if self._info is not None:
            raise GuestReset("the guest restarted in the middle of a session")
        self._grant = ready.grant

    def _on_nak(self, nak: Nak) -> None:
        self.counters.naks += 1
        reason = NakReason(nak.reason).name.lower() if nak.reason in NakReason._value2member_map_ else str(nak.reason)
        self.counters.reasons[reason] = self.counters.reasons.get(reason, 0) + 1
        if nak.reason == NakReason.NO_SESSION and self._info is not None:
            raise GuestReset("the guest has forgotten the session: it restarted")
        if nak.reason == NakReason.VERSION:
            raise ProtocolError(f"the guest does not speak protocol {PROTOCOL_VERSION}")
        if nak.reason == NakReason.SEQUENCE and self._info is not None:
            raise ProtocolError(f"the guest is at request {nak.last_seq}, the host at {self._seq}")
        self._grant = nak.grant

    @staticmethod
    def _expect(name: str, frame: frames.Frame, answer: type[messages.M]) -> messages.M:
        if frame.code == Refused.code:
            refused = decode(Refused, frame.payload)
            raise RequestRefused(name, refused.error, refused.detail)
        if frame.code != answer.code:
            raise ProtocolError(f"the guest answered {name} with message 0x{frame.code:02x}, not {answer.__name__}")
        return decode(answer, frame.payload)

    def _history(self) -> str:
        c = self.counters
        reasons = ", ".join(f"{name} {n}" for name, n in sorted(c.reasons.items())) or "none"
        return f"silences {c.silences}, damaged answers {c.damaged}, NAKs: {reasons}"
