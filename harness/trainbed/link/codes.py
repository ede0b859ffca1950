# SPDX-License-Identifier: Apache-2.0
"""Small numbers both sides of the link agree on. These enums are the table; trn_messages.h is emitted from them."""

from __future__ import annotations

from enum import IntEnum

PROTOCOL_VERSION = 1
"""Stands in every frame's second byte; a firmware refuses frames of another version."""


class XFormat(IntEnum):
    """How the inputs of a sample travel and are stored."""

    F32 = 0
    U8 = 1
    I16 = 2


class TFormat(IntEnum):
    """How the target of a sample travels: a class label (uint16) or one float32 per output."""

    LABEL = 0
    VALUES = 1


class NakReason(IntEnum):
    """Why a frame was not accepted. Such a frame was never executed, whatever it said."""

    EMPTY = 1
    OVERFLOW = 2
    COBS = 3
    LENGTH = 4
    CRC = 5
    VERSION = 6
    NO_SESSION = 7
    SEQUENCE = 8


NAK_DOCS = {
    NakReason.EMPTY: "a lone delimiter: the host asks whether the guest listens",
    NakReason.OVERFLOW: "the receive buffer filled up without a delimiter",
    NakReason.COBS: "a COBS code points beyond the end of the frame",
    NakReason.LENGTH: "shorter than header and CRC",
    NakReason.CRC: "the CRC-32 differs",
    NakReason.VERSION: "another protocol version",
    NakReason.NO_SESSION: "a request before HELLO: the guest has restarted",
    NakReason.SEQUENCE: "neither the last request nor the one after it",
}


class ErrorCode(IntEnum):
    """Why an accepted request was not carried out; it changed nothing."""

    OK = 0
    UNKNOWN_MESSAGE = -1
    BAD_LENGTH = -2
    OUT_OF_RANGE = -3
    BAD_STATE = -4
    DIVERGED = -5
    UNSUPPORTED = -6


ERROR_DOCS = {
    ErrorCode.OK: "carried out",
    ErrorCode.UNKNOWN_MESSAGE: "no such request",
    ErrorCode.BAD_LENGTH: "the payload's size does not match the message",
    ErrorCode.OUT_OF_RANGE: "an index, offset or count lies outside what the firmware holds; detail is that number",
    ErrorCode.BAD_STATE: "not now: no weights yet, or another position or batch size is due; detail is what is due",
    ErrorCode.DIVERGED: "training has diverged; only INIT or WRITE_PARAMETERS go on; detail is the sample's position",
    ErrorCode.UNSUPPORTED: "this firmware was built without it (no resident set)",
}


class TrainStatus(IntEnum):
    """How a TRAIN request ended."""

    DONE = 0
    DIVERGED = 1


STATUS_DOCS = {
    TrainStatus.DONE: "all samples of the request were trained",
    TrainStatus.DIVERGED: "a sample's loss was not finite; its batch was discarded, nothing after it was trained",
}
