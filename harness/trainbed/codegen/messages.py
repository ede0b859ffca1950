# SPDX-License-Identifier: Apache-2.0
"""Emits trn_messages.h, the device's view of the message table in link.messages and link.codes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import IntEnum
from pathlib import Path
from typing import TypeVar

from trainbed.link import codes
from trainbed.link.messages import ANSWERS, REQUESTS, Message, layout_of

E = TypeVar("E", bound=IntEnum)

HEADER_NAME = "trn_messages.h"
_C_TYPES = {"u8": "uint8_t", "u16": "uint16_t", "u32": "uint32_t", "i32": "int32_t", "f32": "float"}


def messages_header() -> str:
    """The text of trn_messages.h. The same for every network and board."""
    parts = [
        "/* SPDX-License-Identifier: Apache-2.0 */",
        "/* Generated from the message table (trainbed.link.messages); not to be edited. Layout: docs/protocol.md. */",
        "#ifndef TRN_MESSAGES_H",
        "#define TRN_MESSAGES_H",
        "",
        "#include <stddef.h>",
        "#include <stdint.h>",
        "",
        "#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__",
        '#error "structures are copied to and from the wire: the core must be little-endian"',
        "#endif",
        "",
        f"#define TRN_PROTOCOL_VERSION {codes.PROTOCOL_VERSION}",
        "",
        "/* how x travels */",
        *(f"#define TRN_X_{member.name} {member.value}" for member in codes.XFormat),
        "/* how t travels */",
        *(f"#define TRN_T_{member.name} {member.value}" for member in codes.TFormat),
        "",
        "/* why an accepted request was not carried out */",
        *_enum("trn_error_t", "TRN_ERR_", codes.ErrorCode, codes.ERROR_DOCS),
        "",
        *_names("trn_error_name", "TRN_ERR_", codes.ErrorCode),
        "",
        "/* why a frame was not accepted */",
        *_enum("trn_nak_reason_t", "TRN_NAK_", codes.NakReason, codes.NAK_DOCS),
        "",
        "/* how a TRAIN request ended */",
        *_enum("trn_train_status_t", "TRN_TRAIN_STATUS_", codes.TrainStatus, codes.STATUS_DOCS),
        "",
        "/* type byte of a frame */",
        "typedef enum {",
        *(f"    {constant(message)} = 0x{message.code:02x}," for message in REQUESTS + ANSWERS),
        "} trn_message_t;",
        "",
    ]
    for message in REQUESTS + ANSWERS:
        parts += _struct(message)
    return "\n".join([*parts, "#endif", ""])


def write_messages_header(folder: Path) -> Path:
    """Writes trn_messages.h into ``folder``; leaves an equal file untouched. Returns its path."""
    path = folder / HEADER_NAME
    text = messages_header()
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    return path


def messages_markdown() -> str:
    """The tables of docs/protocol.md between its two marks; a test keeps the document equal to this."""
    lines: list[str] = []
    for title, group in (("Requests", REQUESTS), ("Answers", ANSWERS)):
        lines += [f"### {title}", ""]
        for message in group:
            lines += _markdown(message)
    lines += ["### Codes", ""]
    lines += _codes("NakReason", codes.NakReason, codes.NAK_DOCS)
    lines += _codes("ErrorCode", codes.ErrorCode, codes.ERROR_DOCS)
    lines += _codes("TrainStatus", codes.TrainStatus, codes.STATUS_DOCS)
    lines += ["XFormat: " + ", ".join(f"{m.value} {m.name}" for m in codes.XFormat) + ". "]
    lines[-1] += "TFormat: " + ", ".join(f"{m.value} {m.name}" for m in codes.TFormat) + "."
    return "\n".join(lines) + "\n"


def _markdown(message: type[Message]) -> list[str]:
    layout = layout_of(message)
    answer = "" if message.answer is None else f" → {_snake(message.answer).upper()}"
    doc = " ".join((message.__doc__ or "").split())
    lines = [f"**0x{message.code:02x} {_snake(message).upper()}**{answer}: {doc}", ""]
    rows = [(str(at), s.kind, name, s.unit, s.doc) for name, at, s in layout.scalars]
    if layout.rest is not None:
        name, rest = layout.rest
        rows.append(
            (str(layout.n_bytes), f"{rest.kind}[]" if rest.kind != "bytes" else "u8[]", name, rest.unit, rest.doc)
        )
    if rows:
        lines += ["| byte | type | field | unit | meaning |", "|---|---|---|---|---|"]
        lines += ["| " + " | ".join(row) + " |" for row in rows] + [""]
    return lines


def _codes(title: str, members: Iterable[E], docs: Mapping[E, str]) -> list[str]:
    head = [f"| {title} | | meaning |", "|---|---|---|"]
    return [*head, *(f"| {member.value} | {member.name} | {docs[member]} |" for member in members), ""]


def constant(message: type[Message]) -> str:
    """C name of a message's code: TrainIndexed -> TRN_MSG_TRAIN_INDEXED."""
    return "TRN_MSG_" + _snake(message).upper()


def _snake(message: type[Message]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", message.__name__).lower()


def _enum(name: str, prefix: str, members: Iterable[E], docs: Mapping[E, str]) -> list[str]:
    """A C enum, each member with what it means."""
    return [
        "typedef enum {",
        *(f"    {prefix}{member.name} = {member.value}, /* {docs[member]} */" for member in members),
        f"}} {name};",
    ]


def _names(function: str, prefix: str, members: Iterable[IntEnum]) -> list[str]:
    return [
        f"static inline const char *{function}(int32_t code)",
        "{",
        "    switch (code) {",
        *(f'    case {prefix}{member.name}: return "{member.name.lower()}";' for member in members),
        '    default: return "unknown";',
        "    }",
        "}",
    ]


def _struct(message: type[Message]) -> list[str]:
    """The scalars of a message as a C structure without padding; where its array starts follows from its size."""
    layout = layout_of(message)
    doc = " ".join((message.__doc__ or "").split())
    lines = [f"/* 0x{message.code:02x} {doc} */"]
    name = f"trn_{_snake(message)}_t"
    if layout.scalars:
        lines.append("typedef struct {")
        for field, _, scalar in layout.scalars:
            unit = f"{scalar.unit}; " if scalar.unit else ""
            lines.append(f"    {_C_TYPES[scalar.kind]} {field}; /* {unit}{scalar.doc} */")
        lines.append(f"}} {name};")
        for field, offset, _ in layout.scalars:
            lines.append(f'_Static_assert(offsetof({name}, {field}) == {offset}, "{name}.{field}");')
        lines.append(f'_Static_assert(sizeof({name}) == {layout.n_bytes}, "{name}");')
    if layout.rest is not None:
        field, rest = layout.rest
        kind = "uint8_t" if rest.kind == "bytes" else _C_TYPES.get(rest.kind, rest.kind)
        lines.append(f"/* from byte {layout.n_bytes}: {kind} {field}[]: {rest.doc} */")
    return [*lines, ""]
