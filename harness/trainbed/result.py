# SPDX-License-Identifier: Apache-2.0
"""The result of a run as a value, and result.json (schema 1): the key paths scripts rely on."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import math
import os
import shutil
import tempfile
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

SCHEMA = 1
RESULT_FILE = "result.json"
WEIGHTS_FILE = "weights.npz"
FIRMWARE_FILE = "firmware.elf"
PLAN_FILE = "plan.json"
PROFILE_FILE = "profile.json"
POST_MORTEM_FOLDER = "post_mortem"
PRETRAIN_FILE = "pretrain.json"
PRETRAINED_FILE = "pretrained.npz"
PREVIEW_FILE = "augmented.png"
UPDATES_FILE = "updates.npz"
UPDATES_PICTURE = "updates.svg"


class Verdict(str, Enum):
    """What became of a run."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"


class StopReason(str, Enum):
    """Why a run ended: a closed set."""

    COMPLETED = "completed"
    DIVERGED = "diverged"
    BUDGET = "budget"
    FAULT = "fault"
    HANG = "hang"
    RESET = "reset"
    LINK_LOST = "link_lost"
    PROTOCOL = "protocol"
    CRASH = "crash"


@dataclass(frozen=True)
class ScenarioFacts:
    """Which scenario."""

    name: str


@dataclass(frozen=True)
class BackendFacts:
    """Which emulator."""

    name: str
    version: str


@dataclass(frozen=True)
class ModelFacts:
    """Size of the network; ``macs_forward`` of one sample."""

    parameters: int
    parameter_bytes: int
    macs_forward: int


@dataclass(frozen=True)
class MemoryFacts:
    """Bytes. ``training_bytes``: activations, gradients, optimizer state, scratch. None: not measured."""

    training_bytes: int
    flash_bytes: int | None
    ram_bytes: int | None
    stack_bytes: int | None
    stack_bound_bytes: int | None


_LATER: Mapping[str, object] = {"later": True}
"""Marks a figure that came after schema 1 was first written: a result without it can still be read."""


@dataclass(frozen=True)
class TrainingFacts:
    """Mean loss and accuracy of each epoch, while training; accuracy None without labels.

    ``diverged_at``: 0-based number of the training sample, counted over all epochs, whose loss was not finite.
    ``update_share``: of each epoch, the share of structures that dynamic updates trained; None where all are.
    """

    loss: tuple[float, ...]
    accuracy: tuple[float, ...] | None
    diverged_at: int | None = None
    update_share: tuple[float, ...] | None = field(default=None, metadata=_LATER)


@dataclass(frozen=True)
class TestFacts:
    """The test set after training. ``balanced_accuracy``: mean over the classes of the share answered right."""

    accuracy: float | None
    loss: float | None
    balanced_accuracy: float | None = field(default=None, metadata=_LATER)

    __test__ = False  # not a test case of pytest's


@dataclass(frozen=True)
class PerSample:
    """A count by phase, divided by the samples trained; ``total`` = forward + backward + update. None: not counted."""

    forward: float | None
    backward: float | None
    update: float | None
    total: float | None


NOT_COUNTED = PerSample(None, None, None, None)


@dataclass(frozen=True)
class CostFacts:
    """What training cost. ``cycles_per_sample``: the core at zero wait states; ``memory_cycles_per_sample``: the flash.

    ``cycles_per_inference``: core cycles of one forward pass with its loss, over the test set; None: not counted.

    ``emulated_mips`` and ``wall_s`` belong to the host: they differ from run to run.
    """

    cost_class: str = field(metadata={"json": "class"})
    model: str
    cycles_per_sample: PerSample
    memory_cycles_per_sample: PerSample
    instructions_per_sample: PerSample
    energy_uj_per_sample: float | None
    emulated_mips: float | None
    wall_s: float
    cycles_per_inference: float | None = field(default=None, metadata=_LATER)


@dataclass(frozen=True)
class WeightsFacts:
    """Trained weights: file in the output folder (None: not kept) and digest (see weights_sha256)."""

    file: str | None
    sha256: str


@dataclass(frozen=True)
class FirmwareFacts:
    """The firmware: file in the output folder (None: not kept) and digest."""

    elf: str | None
    sha256: str


@dataclass(frozen=True)
class Expectation:
    """One line of the contract. ``bound`` as the scenario writes it; ``observed`` None: not measured, so not passed."""

    name: str
    passed: bool
    observed: int | float | None
    bound: str | dict[str, int | float]


@dataclass(frozen=True)
class Result:
    """Everything a run showed. ``host`` holds what differs between machines and runs."""

    verdict: Verdict
    stop_reason: StopReason
    scenario: ScenarioFacts
    board: str
    backend: BackendFacts
    model: ModelFacts
    memory: MemoryFacts
    training: TrainingFacts
    test: TestFacts
    cost: CostFacts
    weights: WeightsFacts
    firmware: FirmwareFacts
    expectations: tuple[Expectation, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    host: Mapping[str, str | int | float | None] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values in the order of result.json; numbers that are not finite become None."""
        plain = _encode(self)
        assert isinstance(plain, dict)
        return {"schema": SCHEMA, **plain}

    def to_json(self) -> str:
        """The text of result.json."""
        return _dump(self.to_dict())

    def deterministic_json(self) -> str:
        """The text without ``host``, ``cost.emulated_mips`` and ``cost.wall_s``: byte-equal from run to run."""
        plain = self.to_dict()
        del plain["host"], plain["cost"]["emulated_mips"], plain["cost"]["wall_s"]
        return _dump(plain)

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> Result:
        """The value a result.json holds. Raises ValueError naming the key path that is missing or of the wrong type."""
        if plain.get("schema") != SCHEMA:
            raise ValueError(f"schema: {plain.get('schema')!r} is not known; this version reads {SCHEMA}")
        value = _decode(Result, plain, "result")
        assert isinstance(value, Result)
        return value

    @staticmethod
    def from_json(text: str) -> Result:
        """The value of result.json's text. Raises ValueError."""
        plain = json.loads(text)
        if not isinstance(plain, dict):
            raise ValueError("a result is a JSON object")
        return Result.from_dict(plain)


def weights_sha256(arrays: Iterable[NDArray[Any]]) -> str:
    """SHA-256 over the little-endian bytes of the arrays in order: layer by layer, weights, then bias."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def clear_run(out: Path) -> None:
    """Make the output folder and take an older result out of it, so that a run that breaks leaves none."""
    out.mkdir(parents=True, exist_ok=True)
    kept = (RESULT_FILE, WEIGHTS_FILE, FIRMWARE_FILE, PLAN_FILE, PROFILE_FILE)
    for name in (*kept, PRETRAIN_FILE, PRETRAINED_FILE, PREVIEW_FILE, UPDATES_FILE, UPDATES_PICTURE):
        (out / name).unlink(missing_ok=True)
    shutil.rmtree(out / POST_MORTEM_FOLDER, ignore_errors=True)


def save_run(
    out: Path,
    result: Result,
    *,
    weights: Mapping[str, NDArray[Any]],
    elf: Path,
    extras: Mapping[str, bytes] = types.MappingProxyType({}),
) -> None:
    """Keep a complete run in the output folder: firmware.elf, weights.npz, ``extras`` by name and, last, result.json.

    Each file appears whole or not at all. ``weights``: array of each parameter by name, in the order of weights_sha256.
    """
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / FIRMWARE_FILE, lambda temporary: shutil.copyfile(elf, temporary))

    for name, content in {WEIGHTS_FILE: npz_bytes(weights), **extras}.items():
        write_whole(out / name, functools.partial(_put, content))
    write_whole(out / RESULT_FILE, lambda temporary: temporary.write_text(result.to_json(), encoding="utf-8"))


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The content of an npz file; the same arrays give the same bytes."""
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **{name: np.asarray(array) for name, array in arrays.items()})
    return stream.getvalue()


def _put(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Let ``write`` fill a file beside the target, then rename it: the target appears whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _dump(plain: Mapping[str, Any]) -> str:
    return json.dumps(plain, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def _encode(value: Any) -> Any:
    if is_dataclass(value):
        return {_json_name(f): _encode(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): _encode(value[key]) for key in sorted(value)}
    if isinstance(value, (tuple, list)):
        return [_encode(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _json_name(item: Any) -> str:
    return str(item.metadata.get("json", item.name))


def _decode(kind: Any, plain: Any, path: str) -> Any:
    """``plain`` as a value of the annotated type ``kind``. Raises ValueError naming the path."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _decode_union(kind, plain, path)
    if is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(plain, Mapping):
            raise ValueError(f"{path}: an object is needed")
        hints = get_type_hints(kind)
        given = [f for f in fields(kind) if _json_name(f) in plain]
        missing = [_json_name(f) for f in fields(kind) if f not in given and not f.metadata.get("later")]
        if missing:
            raise ValueError(f"{path}.{missing[0]} is missing")
        values = {f.name: _decode(hints[f.name], plain[_json_name(f)], f"{path}.{_json_name(f)}") for f in given}
        return kind(**values)
    if origin is tuple:
        if not isinstance(plain, list):
            raise ValueError(f"{path}: a list is needed")
        item = get_args(kind)[0]
        return tuple(_decode(item, value, f"{path}[{i}]") for i, value in enumerate(plain))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(plain, Mapping):
            raise ValueError(f"{path}: an object is needed")
        return {key: _decode(get_args(kind)[1], value, f"{path}.{key}") for key, value in plain.items()}
    return _decode_scalar(kind, plain, path)


def _decode_union(kind: Any, plain: Any, path: str) -> Any:
    if plain is None and type(None) in get_args(kind):
        return None
    problems: list[ValueError] = []
    for option in get_args(kind):
        try:
            return _decode(option, plain, path)
        except ValueError as error:
            problems.append(error)
    raise problems[0]


def _decode_scalar(kind: Any, plain: Any, path: str) -> Any:
    if kind is float and plain is None:
        return math.nan  # JSON has no NaN: a loss that was not finite
    if kind is float and isinstance(plain, int) and not isinstance(plain, bool):
        return float(plain)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(plain)
    if not isinstance(plain, kind) or (isinstance(plain, bool) and kind is not bool):
        raise ValueError(f"{path}: {kind.__name__} is needed, found {type(plain).__name__}")
    return plain
