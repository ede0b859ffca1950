# SPDX-License-Identifier: Apache-2.0
"""The message table: what Python sends is what the C header says."""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest

from trainbed.codegen.messages import messages_header, write_messages_header
from trainbed.errors import ProtocolError
from trainbed.link import messages
from trainbed.link.messages import ANSWERS, REQUESTS, Message, Rest, Scalar, decode, layout_of

COMPILERS = {
    "gcc": ["gcc"],
    "arm-none-eabi-gcc": ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb"],
    "avr-gcc": ["avr-gcc", "-mmcu=atmega2560"],
}
WARNINGS = [
    "-std=c11",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wshadow",
    "-Wstrict-prototypes",
    "-Werror",
    "-fsyntax-only",
]


@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_header_compiles_and_its_layout_holds_on_every_core(tmp_path: Path, compiler: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    header = write_messages_header(tmp_path)
    done = subprocess.run([*COMPILERS[compiler], *WARNINGS, "-x", "c", str(header)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_wrong_layout_would_not_compile(tmp_path: Path) -> None:
    header = tmp_path / "broken.h"
    header.write_text(messages_header().replace("offsetof(trn_nak_t, grant) == 4", "offsetof(trn_nak_t, grant) == 6"))
    done = subprocess.run(["gcc", *WARNINGS, "-x", "c", str(header)], capture_output=True, text=True)
    assert "trn_nak_t.grant" in done.stderr
    assert done.returncode != 0


def test_writing_the_header_again_leaves_the_file_alone(tmp_path: Path) -> None:
    path = write_messages_header(tmp_path)
    before = path.stat().st_mtime_ns
    assert write_messages_header(tmp_path).stat().st_mtime_ns == before


def test_every_request_names_its_answer_and_codes_tell_the_direction() -> None:
    assert all(request.answer in ANSWERS for request in REQUESTS)
    assert all(answer.answer is None for answer in ANSWERS)
    assert len(Message.by_code) == len(REQUESTS) + len(ANSWERS)
    assert max(m.code for m in REQUESTS) < 0x80 <= min(m.code for m in ANSWERS)


@pytest.mark.parametrize("message", REQUESTS + ANSWERS, ids=lambda m: m.__name__)
def test_every_message_comes_back_as_it_was_sent(message: type[Message]) -> None:
    layout = layout_of(message)
    values: dict[str, object] = {name: i + 1 for i, (name, _, _) in enumerate(layout.scalars)}
    if layout.rest is not None:
        name, rest = layout.rest
        values[name] = b"abc" if rest.kind == "bytes" else np.arange(3, dtype={"u16": "<u2", "f32": "<f4"}[rest.kind])
    payload = message(**values).encode()
    back = decode(message, payload)
    assert back.encode() == payload
    assert all(getattr(back, name) == value for name, value in values.items() if isinstance(value, int))
    wrong = [payload[: layout.n_bytes - 1]] if layout.n_bytes else []
    if layout.rest is None:
        wrong.append(payload + b"x")
    for damaged in wrong:
        with pytest.raises(ProtocolError):
            decode(message, damaged)


def test_the_bytes_of_a_train_request_are_those_of_the_specification() -> None:
    request = messages.TrainIndexed(position=5, batch_samples=2, indices=np.array([1, 0x102], dtype=np.uint16))
    assert request.encode() == bytes.fromhex("05000000 02000000 0100 0201")


def test_a_loss_sum_that_is_not_a_number_travels() -> None:
    payload = struct.pack("<IfI", 1, float("nan"), 0)
    assert np.isnan(decode(messages.Evaluated, payload).loss_sum)


def test_a_table_entry_that_breaks_alignment_is_refused() -> None:
    @dataclass(frozen=True)
    class Crooked(Message, code=0x70):
        a: Annotated[int, Scalar("u16", "", "")]
        b: Annotated[int, Scalar("u32", "", "")]

    @dataclass(frozen=True)
    class Behind(Message, code=0x71):
        a: Annotated[bytes, Rest("bytes", "", "")]
        b: Annotated[int, Scalar("u32", "", "")]

    try:
        with pytest.raises(ValueError, match=r"Crooked\.b is not aligned"):
            layout_of(Crooked)
        with pytest.raises(ValueError, match=r"Behind\.b comes after the array"):
            layout_of(Behind)
        with pytest.raises(ValueError, match="0x70 is taken by Crooked"):
            type("Double", (Message,), {}, code=0x70)
    finally:
        del Message.by_code[0x70], Message.by_code[0x71]
