# SPDX-License-Identifier: Apache-2.0
"""The other end of numpy_process: reads a course, sends its epochs and its outcome. Run as a module."""

from __future__ import annotations

import pickle
import sys
from typing import IO


def serve(source: IO[bytes], sink: IO[bytes]) -> None:
    """Train the one course that is read from ``source``."""
    from trainbed.pretrain import numpy_engine
    from trainbed.pretrain.course import HostCourse, Outcome
    from trainbed.pretrain.events import PretrainEpoch

    def send(told: PretrainEpoch | Outcome) -> None:
        pickle.dump(told, sink)
        sink.flush()

    course = pickle.load(source)
    assert isinstance(course, HostCourse)
    send(numpy_engine.train(course, send))


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
