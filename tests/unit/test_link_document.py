# SPDX-License-Identifier: Apache-2.0
"""docs/protocol.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from trainbed.codegen.messages import messages_markdown
from trainbed.link import frames, messages

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"
MARKS = re.compile(r"(<!-- messages: .*? -->\n)(.*)(<!-- end of messages -->)", re.DOTALL)


def test_the_tables_of_the_specification_are_those_of_the_code(request: pytest.FixtureRequest) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    found = MARKS.search(text)
    assert found is not None
    if request.config.getoption("--update", default=False):
        DOCUMENT.write_text(MARKS.sub(lambda m: m[1] + messages_markdown() + m[3], text), encoding="utf-8")
        return
    assert found[2] == messages_markdown()


def test_the_example_of_the_specification_is_the_frame_that_travels() -> None:
    request = messages.TrainIndexed(position=5, batch_samples=2, indices=np.array([1, 258], dtype=np.uint16))
    raw = frames.encode(frames.Frame(code=request.code, seq=7, payload=request.encode()))
    assert f"raw   {raw.hex(' ')}\n" in DOCUMENT.read_text(encoding="utf-8")
