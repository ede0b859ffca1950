# SPDX-License-Identifier: Apache-2.0
"""A guest in a process of the host: the real link and application in C around a model that only remembers."""

from __future__ import annotations

import hashlib
import struct
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trainbed.backends.base import Budget, Cost
from trainbed.codegen.messages import write_messages_header
from trainbed.errors import EmulatorCrash
from trainbed.link.codes import TFormat, XFormat
from trainbed.link.samples import SampleSet
from trainbed.toolchain.compiler import WARNINGS

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "firmware"
LOOPBACK = Path(__file__).resolve().parent / "loopback"
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
RECORD_KINDS = ("begin", "train", "end", "discard")


@dataclass(frozen=True)
class Config:
    """What trn_config.h says; see there."""

    n_inputs: int = 5
    n_outputs: int = 3
    n_parameters: int = 40
    x_format: XFormat = XFormat.F32
    t_format: TFormat = TFormat.LABEL
    resident_samples: int = 0
    rx_bytes: int = 128
    tx_bytes: int = 128
    scale: float = 1.0
    offset: float = 0.0

    @property
    def x_bytes(self) -> int:
        return self.n_inputs * {XFormat.F32: 4, XFormat.U8: 1, XFormat.I16: 2}[self.x_format]

    @property
    def t_bytes(self) -> int:
        return 2 if self.t_format is TFormat.LABEL else 4 * self.n_outputs

    def header(self) -> str:
        values = {
            "TRN_N_INPUTS": self.n_inputs,
            "TRN_N_OUTPUTS": self.n_outputs,
            "TRN_N_PARAMETERS": self.n_parameters,
            "TRN_INPUT_TYPE": "float",
            "TRN_X_AS_IS": int(self.x_format is XFormat.F32),
            "TRN_X_FORMAT": int(self.x_format),
            "TRN_X_SCALE": f"{self.scale!r}f",
            "TRN_X_OFFSET": f"{self.offset!r}f",
            "TRN_X_BYTES": self.x_bytes,
            "TRN_T_FORMAT": int(self.t_format),
            "TRN_T_BYTES": self.t_bytes,
            "TRN_SAMPLE_BYTES": (self.x_bytes + self.t_bytes + 3) // 4 * 4,
            "TRN_MAX_TARGETS": 16,
            "TRN_RESIDENT_SAMPLES": self.resident_samples,
            "TRN_RX_BYTES": self.rx_bytes,
            "TRN_TX_BYTES": self.tx_bytes,
        }
        return "#pragma once\n" + "".join(f"#define {name} {value}\n" for name, value in values.items())


Edit = tuple[str, str, str]
"""A file of firmware/, what stands there, what shall stand there: a fault built in to see that a test finds it."""


def build(config: Config, folder: Path, *, sanitize: bool = False, edits: tuple[Edit, ...] = ()) -> Path:
    """The application around the remembering model, as a program of the host; built once per configuration."""
    key = hashlib.sha256(f"{config}{sanitize}{edits}".encode()).hexdigest()[:12]
    home = folder / key
    program = home / "loopback"
    if program.exists():
        return program
    home.mkdir(parents=True, exist_ok=True)
    (home / "trn_config.h").write_text(config.header())
    write_messages_header(home)
    sources = [
        *sorted((FIRMWARE / "link").glob("*.c")),
        *(path for path in sorted((FIRMWARE / "app").glob("*.c")) if path.name != "main.c"),
        FIRMWARE / "src" / "mark.c",
        *sorted(LOOPBACK.glob("*.c")),
    ]
    sources = [_edited(path, home, edits) for path in sources]
    command = ["gcc", "-std=c11", "-O1", "-g", "-ffp-contract=off", *WARNINGS, *(SANITIZE if sanitize else ())]
    command += [f"-I{FIRMWARE / 'include'}", f"-I{home}", f"-I{LOOPBACK}", *map(str, sources), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


def _edited(path: Path, home: Path, edits: tuple[Edit, ...]) -> Path:
    """The source, or a copy with the edits made."""
    text = path.read_text()
    for file, old, new in edits:
        if path == FIRMWARE / file:
            assert text.count(old) == 1, f"{file}: {old!r} stands there {text.count(old)} times"
            text = text.replace(old, new)
    if text == path.read_text():
        return path
    copy = home / path.name
    copy.write_text(text)
    return copy


class Loopback:
    """A Guest. ``keep``: the line keeps bytes that come while the receiver is not armed; otherwise they are lost."""

    backend = "loopback"
    version = "0"

    def __init__(self, program: Path, *, keep: bool = False) -> None:
        self._keep = keep
        self._process = subprocess.Popen(
            [str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._boot = b""
        self.exchanges = 0

    def start(self) -> None:
        self._boot = self._command(b"S")

    def exchange(self, data: bytes, *, budget: Budget) -> bytes:
        self.exchanges += 1
        boot, self._boot = self._boot, b""
        return boot + self._command((b"Q" if self._keep else b"X") + struct.pack("<I", len(data)) + data)

    def restart(self) -> None:
        """The guest restarts by itself, as after a watchdog reset."""
        self.start()

    def records(self) -> list[tuple[str, float]]:
        """What the model was told, in order: begin (batch size), train (the sample's first input), end, discard."""
        return [(RECORD_KINDS[kind], value) for kind, value in struct.iter_unpack("<If", self._command(b"R"))]

    def cost(self) -> Cost:
        return Cost(cost_class="none", model="none")

    def stack_bytes(self) -> int:
        return -1

    def read_memory(self, address: int, n_bytes: int) -> bytes:
        raise NotImplementedError

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()
        self._process.wait()

    def _command(self, data: bytes) -> bytes:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except BrokenPipeError:
            self._crashed()
        head = self._process.stdout.read(4)
        if len(head) < 4:
            self._crashed()
        return self._process.stdout.read(struct.unpack("<I", head)[0])

    def _crashed(self) -> None:
        assert self._process.stderr is not None
        raise EmulatorCrash(self._process.stderr.read().decode(errors="replace")[-2000:])


def samples(config: Config, n: int, *, first: float = 1.0) -> SampleSet:
    """``n`` samples whose first input tells which one it is: first, first + 1, ... (a code of the format)."""
    dtype = {XFormat.F32: np.float32, XFormat.U8: np.uint8, XFormat.I16: np.int16}[config.x_format]
    rng = np.random.default_rng(int(first))
    x = rng.integers(0, 50, (n, config.n_inputs)).astype(dtype)
    x[:, 0] = np.arange(n) + first
    if config.t_format is TFormat.VALUES:
        return SampleSet(x, values=rng.random((n, config.n_outputs), dtype=np.float32))
    return SampleSet(x, labels=rng.integers(0, 3, n).astype(np.uint16))


def with_room(config: Config, n: int) -> Config:
    """The same firmware with ``n`` resident samples."""
    return replace(config, resident_samples=n)
