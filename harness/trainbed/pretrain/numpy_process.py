# SPDX-License-Identifier: Apache-2.0
"""The NumPy engine in a process of its own, where BLAS has one thread.

NumPy's BLAS takes its number of threads when it is loaded, and with it the order of its sums: one thread makes the
weights independent of the number of cores. For products as small as these it is also the fastest.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

from trainbed.errors import GuestError
from trainbed.pretrain.course import HostCourse, Outcome
from trainbed.pretrain.events import PretrainEpoch, TellEpoch

_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def train(course: HostCourse, tell: TellEpoch) -> Outcome:
    """All epochs of a course. Raises GuestError when the process dies."""
    with subprocess.Popen(
        [sys.executable, "-m", "trainbed.pretrain.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **_ONE_THREAD},
        start_new_session=True,  # Ctrl-C is for us; we end it
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            pickle.dump(course, process.stdin)
            process.stdin.close()
            while True:
                told = pickle.load(process.stdout)
                if isinstance(told, Outcome):
                    return told
                assert isinstance(told, PretrainEpoch)
                tell(told)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            raise GuestError(f"the process that pre-trains ended with exit code {process.wait()}") from None
        finally:
            process.kill()
