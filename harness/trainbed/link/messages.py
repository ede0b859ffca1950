# SPDX-License-Identifier: Apache-2.0
"""The messages of the link: one table. It is the Python codec, and codegen.messages emits the C header from it.

A message is a frozen dataclass whose annotations say how each field travels: little-endian scalars at their natural
alignment, then at most one array that takes the rest of the payload and starts on a multiple of four bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, TypeVar, get_type_hints

import numpy as np
from numpy.typing import NDArray

from trainbed.errors import ProtocolError

_STRUCT = {"u8": "B", "u16": "H", "u32": "I", "i32": "i", "f32": "f"}
_ARRAY: dict[str, np.dtype[Any]] = {"bytes": np.dtype(np.uint8), "u16": np.dtype("<u2"), "f32": np.dtype("<f4")}


@dataclass(frozen=True)
class Scalar:
    """One number: its kind on the wire, its unit, what it means."""

    kind: str
    unit: str
    doc: str

    @property
    def n_bytes(self) -> int:
        """Size on the wire."""
        return struct.calcsize("<" + _STRUCT[self.kind])


@dataclass(frozen=True)
class Rest:
    """An array that takes the rest of the payload; its length follows from the frame's."""

    kind: str
    unit: str
    doc: str


@dataclass(frozen=True)
class Layout:
    """How a message travels: its scalars as (name, offset, Scalar), their total size, the array if it has one."""

    scalars: tuple[tuple[str, int, Scalar], ...]
    n_bytes: int
    rest: tuple[str, Rest] | None

    @property
    def format(self) -> str:
        """The scalars as a struct format."""
        return "<" + "".join(_STRUCT[scalar.kind] for _, _, scalar in self.scalars)


class Message:
    """Base of all messages. ``code`` is the frame's type byte; requests are below 0x80, answers at or above it."""

    code: ClassVar[int]
    answer: ClassVar[type[Message] | None]
    by_code: ClassVar[dict[int, type[Message]]] = {}

    def __init_subclass__(cls, *, code: int, answer: type[Message] | None = None) -> None:
        if code in Message.by_code:
            raise ValueError(f"message code 0x{code:02x} is taken by {Message.by_code[code].__name__}")
        cls.code = code
        cls.answer = answer
        Message.by_code[code] = cls

    def encode(self) -> bytes:
        """The payload as it travels."""
        layout = layout_of(type(self))
        head = struct.pack(layout.format, *(getattr(self, name) for name, _, _ in layout.scalars))
        if layout.rest is None:
            return head
        name, rest = layout.rest
        value = getattr(self, name)
        tail: bytes = value if rest.kind == "bytes" else np.asarray(value, dtype=_ARRAY[rest.kind]).tobytes()
        return head + tail


M = TypeVar("M", bound=Message)


_layouts: dict[type[Message], Layout] = {}


def layout_of(message: type[Message]) -> Layout:
    """Layout of a message type. Raises ValueError for a table entry that breaks the rules of alignment."""
    if message not in _layouts:
        _layouts[message] = _read_layout(message)
    return _layouts[message]


def _read_layout(message: type[Message]) -> Layout:
    hints = get_type_hints(message, include_extras=True)
    scalars: list[tuple[str, int, Scalar]] = []
    rest: tuple[str, Rest] | None = None
    offset = 0
    for field in fields(message):  # type: ignore[arg-type]  # every entry of the table is a dataclass
        kind = hints[field.name].__metadata__[0]
        if rest is not None:
            raise ValueError(f"{message.__name__}.{field.name} comes after the array")
        if isinstance(kind, Rest):
            rest = (field.name, kind)
        else:
            if offset % kind.n_bytes:
                raise ValueError(f"{message.__name__}.{field.name} is not aligned to its size")
            scalars.append((field.name, offset, kind))
            offset += kind.n_bytes
    if offset % 4:
        raise ValueError(f"{message.__name__}: the scalars take {offset} bytes, not a multiple of 4")
    return Layout(scalars=tuple(scalars), n_bytes=offset, rest=rest)


def decode(message: type[M], payload: bytes) -> M:
    """The message a payload holds. Raises ProtocolError when its size cannot be that message's."""
    layout = layout_of(message)
    n_rest = len(payload) - layout.n_bytes
    item = 1 if layout.rest is None else _ARRAY[layout.rest[1].kind].itemsize
    if n_rest < 0 or (layout.rest is None and n_rest) or n_rest % item:
        raise ProtocolError(f"a {message.__name__} of {len(payload)} bytes; {layout.n_bytes} were expected")
    values: dict[str, Any] = dict(
        zip((name for name, _, _ in layout.scalars), struct.unpack_from(layout.format, payload), strict=True)
    )
    if layout.rest is not None:
        name, rest = layout.rest
        tail = payload[layout.n_bytes :]
        values[name] = tail if rest.kind == "bytes" else np.frombuffer(tail, dtype=_ARRAY[rest.kind])
    return message(**values)


Floats = NDArray[np.float32]
Indices = NDArray[np.uint16]

# --- answers ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ready(Message, code=0x80):
    """Sent once, unasked, when the guest has started. In the middle of a session it means that the guest restarted."""

    protocol: Annotated[int, Scalar("u32", "", "protocol version the firmware speaks")]
    grant: Annotated[int, Scalar("u32", "bytes", "raw bytes the armed receiver takes, delimiter included")]


@dataclass(frozen=True)
class Nak(Message, code=0x81):
    """A frame was not accepted and not executed. Its sequence number is 0 and means nothing."""

    reason: Annotated[int, Scalar("u16", "", "NakReason")]
    last_seq: Annotated[int, Scalar("u16", "", "sequence number of the last request that was executed")]
    grant: Annotated[int, Scalar("u32", "bytes", "raw bytes the armed receiver takes, delimiter included")]


@dataclass(frozen=True)
class Ack(Message, code=0x82):
    """Carried out; nothing to report."""


@dataclass(frozen=True)
class Refused(Message, code=0x83):
    """An accepted request that was not carried out."""

    error: Annotated[int, Scalar("i32", "", "ErrorCode")]
    detail: Annotated[int, Scalar("u32", "", "the number to blame; see ErrorCode")]


@dataclass(frozen=True)
class Info(Message, code=0x84):
    """What the firmware was built for."""

    protocol: Annotated[int, Scalar("u16", "", "protocol version")]
    x_format: Annotated[int, Scalar("u8", "", "XFormat")]
    t_format: Annotated[int, Scalar("u8", "", "TFormat")]
    fingerprint: Annotated[int, Scalar("u32", "", "identifies the plan the firmware was built from")]
    n_inputs: Annotated[int, Scalar("u32", "", "inputs of one sample")]
    n_outputs: Annotated[int, Scalar("u32", "", "outputs of one sample")]
    n_parameters: Annotated[int, Scalar("u32", "", "float32 parameters")]
    sample_bytes: Annotated[int, Scalar("u32", "bytes", "one sample as it travels: x, t, padding to a multiple of 4")]
    resident_samples: Annotated[int, Scalar("u32", "samples", "samples kept on the device; 0: streamed only")]
    max_targets: Annotated[int, Scalar("u32", "", "entries of the target table")]
    rx_bytes: Annotated[int, Scalar("u32", "bytes", "receive buffer: raw bytes of one frame with delimiter")]
    tx_bytes: Annotated[int, Scalar("u32", "bytes", "transmit buffer: raw bytes of one frame at most")]
    rx_payload_bytes: Annotated[int, Scalar("u32", "bytes", "largest payload that always fits the receive buffer")]
    tx_payload_bytes: Annotated[int, Scalar("u32", "bytes", "largest payload the device sends")]


@dataclass(frozen=True, eq=False)
class Parameters(Message, code=0x85):
    """Parameters offset, offset + 1, ..."""

    offset: Annotated[int, Scalar("u32", "", "index of the first parameter")]
    values: Annotated[Floats, Rest("f32", "", "parameters")]


@dataclass(frozen=True)
class Trained(Message, code=0x86):
    """State of the epoch after a TRAIN request."""

    n_samples: Annotated[int, Scalar("u32", "samples", "trained so far in this epoch")]
    loss_sum: Annotated[float, Scalar("f32", "", "compensated sum of their losses")]
    n_correct: Annotated[int, Scalar("u32", "samples", "of them classified correctly; 0 without labels")]
    status: Annotated[int, Scalar("u32", "", "TrainStatus")]
    diverged_at: Annotated[int, Scalar("u32", "samples", "position of the sample whose loss was not finite")]
    device_cycles: Annotated[int, Scalar("u32", "cycles", "on-chip counter, this request; 0 where there is none")]


@dataclass(frozen=True)
class Evaluated(Message, code=0x87):
    """State of an evaluation after an EVALUATE request."""

    n_samples: Annotated[int, Scalar("u32", "samples", "evaluated so far")]
    loss_sum: Annotated[float, Scalar("f32", "", "compensated sum of their losses")]
    n_correct: Annotated[int, Scalar("u32", "samples", "of them classified correctly; 0 without labels")]


@dataclass(frozen=True, eq=False)
class Outputs(Message, code=0x88):
    """Outputs of one sample."""

    device_cycles: Annotated[int, Scalar("u32", "cycles", "on-chip counter, inference alone; 0 where there is none")]
    values: Annotated[Floats, Rest("f32", "", "outputs")]


@dataclass(frozen=True)
class StatusReport(Message, code=0x89):
    """What the device's end of the link has seen since it started."""

    n_frames: Annotated[int, Scalar("u32", "frames", "accepted, repeats included")]
    n_repeats: Annotated[int, Scalar("u32", "frames", "of them accepted again: answered, not executed")]
    n_damaged: Annotated[int, Scalar("u32", "frames", "not accepted: COBS, length or CRC")]
    n_overflows: Annotated[int, Scalar("u32", "frames", "receive buffer full without a delimiter")]
    epoch_samples: Annotated[int, Scalar("u32", "samples", "trained so far in this epoch")]
    batch_samples: Annotated[int, Scalar("u32", "samples", "of them in a batch that has not been applied yet")]


# --- requests --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hello(Message, code=0x01, answer=Info):
    """Opens a session: its sequence number is where counting starts; an unfinished batch is discarded."""

    protocol: Annotated[int, Scalar("u32", "", "protocol version the host speaks")]


@dataclass(frozen=True)
class Init(Message, code=0x02, answer=Ack):
    """Weights from the seeded generator; optimizer state, gradients and the epoch's counters zero."""

    seed: Annotated[int, Scalar("u32", "", "seed of docs/numerics.md, Random numbers")]


@dataclass(frozen=True, eq=False)
class SetTargets(Message, code=0x03, answer=Ack):
    """Target values of labels 0, 1, ... for a network with one output."""

    values: Annotated[Floats, Rest("f32", "", "target of each label")]


@dataclass(frozen=True, eq=False)
class WriteParameters(Message, code=0x04, answer=Ack):
    """Replaces parameters; optimizer state, gradients and the epoch's counters become zero."""

    offset: Annotated[int, Scalar("u32", "", "index of the first parameter")]
    values: Annotated[Floats, Rest("f32", "", "parameters")]


@dataclass(frozen=True)
class ReadParameters(Message, code=0x05, answer=Parameters):
    """Asks for parameters."""

    offset: Annotated[int, Scalar("u32", "", "index of the first parameter")]
    count: Annotated[int, Scalar("u32", "", "how many; their bytes and 4 more fit tx_payload_bytes")]


@dataclass(frozen=True)
class WriteSamples(Message, code=0x06, answer=Ack):
    """Writes a stretch of the resident set; sample i starts at byte i * sample_bytes."""

    offset: Annotated[int, Scalar("u32", "bytes", "where in the resident set")]
    samples: Annotated[bytes, Rest("bytes", "", "samples as they travel, or pieces of them")]


@dataclass(frozen=True)
class EpochBegin(Message, code=0x07, answer=Ack):
    """Counters of the epoch zero, learning rate of the epoch set. An unfinished batch is discarded."""

    epoch: Annotated[int, Scalar("u32", "", "0-based; for the log")]
    lr: Annotated[float, Scalar("f32", "", "learning rate until the next EPOCH_BEGIN")]


@dataclass(frozen=True, eq=False)
class TrainIndexed(Message, code=0x08, answer=Trained):
    """Trains resident samples, in batches of batch_samples; a batch may go on in the next message."""

    position: Annotated[int, Scalar("u32", "samples", "of this epoch before these, as counted there")]
    batch_samples: Annotated[int, Scalar("u32", "samples", "size of each batch here, at least 1")]
    indices: Annotated[Indices, Rest("u16", "", "indices into the resident set, in order")]


@dataclass(frozen=True)
class TrainSamples(Message, code=0x09, answer=Trained):
    """Trains the samples in the message; otherwise as TRAIN_INDEXED."""

    position: Annotated[int, Scalar("u32", "samples", "of this epoch before these, as counted there")]
    batch_samples: Annotated[int, Scalar("u32", "samples", "size of each batch here, at least 1")]
    samples: Annotated[bytes, Rest("bytes", "", "whole samples, sample_bytes each")]


@dataclass(frozen=True, eq=False)
class EvaluateIndexed(Message, code=0x0A, answer=Evaluated):
    """Evaluates resident samples without training. Position 0 starts a new evaluation."""

    position: Annotated[int, Scalar("u32", "samples", "samples of this evaluation before the first one here")]
    indices: Annotated[Indices, Rest("u16", "", "indices into the resident set, in order")]


@dataclass(frozen=True)
class EvaluateSamples(Message, code=0x0B, answer=Evaluated):
    """Evaluates the samples in the message; otherwise as EVALUATE_INDEXED."""

    position: Annotated[int, Scalar("u32", "samples", "samples of this evaluation before the first one here")]
    samples: Annotated[bytes, Rest("bytes", "", "whole samples, sample_bytes each")]


@dataclass(frozen=True)
class Predict(Message, code=0x0C, answer=Outputs):
    """Asks for the outputs of one sample."""

    x: Annotated[bytes, Rest("bytes", "", "inputs of the sample as they travel")]


@dataclass(frozen=True)
class Status(Message, code=0x0D, answer=StatusReport):
    """Asks how the link has been."""


REQUESTS: tuple[type[Message], ...] = tuple(m for code, m in sorted(Message.by_code.items()) if code < 0x80)
ANSWERS: tuple[type[Message], ...] = tuple(m for code, m in sorted(Message.by_code.items()) if code >= 0x80)
