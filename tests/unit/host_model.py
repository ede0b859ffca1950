# SPDX-License-Identifier: Apache-2.0
"""A generated model.c as a host library: what the code generator writes, called from Python."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainbed.assets import asset_path
from trainbed.codegen.config import LinkSizes, SampleFormat, write_config
from trainbed.codegen.model import write_model
from trainbed.planner.parameters import Arrays
from trainbed.planner.plan import Plan

_FLOATS = ctypes.POINTER(ctypes.c_float)


class HostModel:
    """model.c of a plan, compiled with the host's cc and loaded."""

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        *,
        constants: Arrays | None = None,
        shared_shapes: bool = False,
        optimize: str = "O1",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        network = plan.network
        n_inputs = int(np.prod(network.input_shape))
        samples = SampleFormat("float32", n_inputs, network.output_size, labels=False)
        (folder / "trn_config.h").write_text(write_config(plan, samples, LinkSizes(1024, 1024, 0)))
        (folder / "model.c").write_text(write_model(plan, constants=constants, shared_shapes=shared_shapes))
        firmware = asset_path("firmware")
        library = folder / "model.so"
        sources = [str(folder / "model.c"), *map(str, (firmware / "src").glob("*.c"))]
        flags = [
            "-std=c11",
            f"-{optimize}",
            "-Wall",
            "-Wextra",
            "-Wconversion",
            "-Wshadow",
            "-Wdouble-promotion",
            "-Werror",
            "-ffp-contract=off",
        ]
        includes = [f"-I{firmware / 'include'}", f"-I{firmware / 'src'}", f"-I{folder}"]
        command = ["cc", *flags, "-fno-math-errno", "-shared", "-fPIC", *includes, *sources, "-o", str(library), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[:4000]
        self._plan = plan
        self._library = ctypes.CDLL(str(library))
        self._library.trn_model_train_sample.restype = ctypes.c_float
        self._library.trn_model_evaluate.restype = ctypes.c_float

    @property
    def parameters(self) -> NDArray[np.float32]:
        """A view of what the model trains."""
        array = (ctypes.c_float * self._plan.parameters.n_words).in_dll(self._library, "trn_parameters")
        return np.frombuffer(array, dtype=np.float32)

    def init(self, seed: int) -> None:
        self._library.trn_model_init(ctypes.c_uint32(seed))

    def train_batch(
        self, x: NDArray[np.float32], t: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Losses [B] and outputs [B, n_out] of one batch."""
        outputs = np.zeros_like(t)
        losses = np.zeros(len(x), np.float32)
        self._library.trn_model_begin_batch(ctypes.c_int32(len(x)))
        for i in range(len(x)):
            losses[i] = self._library.trn_model_train_sample(_pointer(x[i]), _pointer(t[i]), _pointer(outputs[i]))
        self._library.trn_model_end_batch()
        return losses, outputs

    def evaluate(
        self, x: NDArray[np.float32], t: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        outputs = np.zeros_like(t)
        losses = np.zeros(len(x), np.float32)
        for i in range(len(x)):
            losses[i] = self._library.trn_model_evaluate(_pointer(x[i]), _pointer(t[i]), _pointer(outputs[i]))
        return losses, outputs

    def predict(self, x: NDArray[np.float32], n_outputs: int) -> NDArray[np.float32]:
        outputs = np.zeros((len(x), n_outputs), np.float32)
        for i in range(len(x)):
            self._library.trn_model_predict(_pointer(x[i]), _pointer(outputs[i]))
        return outputs


def _pointer(array: NDArray[np.float32]) -> ctypes._Pointer[ctypes.c_float]:
    return array.ctypes.data_as(_FLOATS)
