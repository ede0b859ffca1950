# SPDX-License-Identifier: Apache-2.0
"""Builds the firmware of a board: generated sources in, one ELF and its facts out, cached by content."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from trainbed.assets import asset_path
from trainbed.avr import stack as avr_stack
from trainbed.avr.image import flash_content
from trainbed.backends.base import GuestImage
from trainbed.boards import Board
from trainbed.errors import BuildError, DoesNotFit, InputError, MissingTool
from trainbed.toolchain import cache
from trainbed.toolchain.compiler import WARNINGS, Compiler, Core, core_named, find_compiler
from trainbed.toolchain.elf import ElfFacts, facts, largest_objects
from trainbed.toolchain.linker import linker_script
from trainbed.toolchain.seal import seal
from trainbed.toolchain.stack import stack_bound

_KIND = "firmware"
_ROOT = "trn_start"
"""The first function on the stack."""
_FORMAT = 3
"""Goes into every key: raise it when the meaning of a cached entry changes."""

_ATTEMPTS = 6
_FOLDER_VARIABLES = ("CPATH", "C_INCLUDE_PATH", "LIBRARY_PATH", "COMPILER_PATH", "GCC_EXEC_PREFIX")
_LABELS = {"flash": "flash", "ram": "RAM", "code": "RAM for code"}
_OPTIMIZE = ("O0", "O1", "O2", "O3", "Os", "Og")

_LANGUAGE = (
    "-std=c11",
    "-g",
    "-ffunction-sections",
    "-fdata-sections",
    # One rounding per operation, as in the NumPy twin.
    "-ffp-contract=off",
    # sqrtf may be VSQRT alone: nobody reads errno.
    "-fno-math-errno",
    # Two functions with the same body stay two symbols: phases, faults and costs are told apart by address.
    "-fno-ipa-icf",
)
# The address space __flash is GNU's. GCC 5's first choice of debug data nobody else reads. A table of jumps would hide
# a function's ways from the stack's bound.
_AVR_LANGUAGE = ("-std=gnu11", "-gdwarf-4", *_LANGUAGE[2:], "-fshort-enums", "-fno-jump-tables")
_SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")


@dataclass(frozen=True)
class BuildOptions:
    """What a user may choose about a build."""

    optimize: str = "O2"
    application: str = "app"
    """Folder below firmware/ with main(): ``app``, the trainer behind its link, or ``raw``, inference without one."""
    sanitize: bool = False
    """Address and undefined behaviour sanitizers; native only."""
    defines: Mapping[str, str] = field(default_factory=dict)
    """Macros for every source, name -> value."""


@dataclass(frozen=True)
class Firmware:
    """A firmware that was built. Sizes in bytes."""

    image: GuestImage
    flash_bytes: int
    """Code, constants and the image of .data."""
    ram_static_bytes: int
    """.data and .bss; without the stack."""
    sections: Mapping[str, int]
    symbols: Mapping[str, int]
    """Objects in .data and .bss by name; what is missing to ``ram_static_bytes`` is alignment."""
    constants: Mapping[str, int]
    """Objects in flash by name."""
    stack_bound_bytes: int | None
    """The most the stack can need, from the compiler's figures and the call graph; None on native: no bound."""
    compiler: str
    flags: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where the ELF lies, with the generated sources and the linker script it was built from."""
        return self.image.elf.parent


@dataclass(frozen=True)
class _Job:
    """Everything a build depends on."""

    board: Board
    core: Core
    compiler: Compiler
    root: Path
    sources: Mapping[str, bytes]
    """Logical name -> content: ``firmware/...`` below ``root``, ``generated/...`` given by the caller."""
    script: str | None
    compile_flags: tuple[str, ...]
    link_flags: tuple[str, ...]

    def key(self) -> str:
        digest = hashlib.sha256()
        head = [
            _FORMAT,
            self.compiler.version,
            self.compiler.name,
            self.compiler.command[1:],
            self.compile_flags,
            self.link_flags,
            self.script,
        ]
        digest.update(json.dumps(head).encode())
        for name in sorted(self.sources):
            digest.update(f"\0{name}\0{len(self.sources[name])}\0".encode())
            digest.update(self.sources[name])
        return digest.hexdigest()

    def units(self) -> list[str]:
        return sorted(name for name in self.sources if name.endswith(".c"))

    def include_flags(self, generated: Path) -> list[str]:
        folders = [self.root / "include", self.root / "link", self.root / "src"]
        folders += [self.root / name for name in (f"port/{self.board.soc}", *self.core.source_folders)]
        return [f"-I{generated}", *(f"-I{folder}" for folder in folders if folder.is_dir())]

    def path(self, name: str, generated: Path) -> Path:
        top, _, rest = name.partition("/")
        return (generated if top == "generated" else self.root) / rest


def build(
    board: Board,
    *,
    generated: Mapping[str, str],
    options: BuildOptions | None = None,
    firmware: Path | None = None,
) -> Firmware:
    """Build the firmware of a board, or take it from the cache.

    ``generated``: file name -> content of the generated sources and headers (model.c, trn_config.h, trn_messages.h).
    ``firmware``: folder with app/, link/, port/, src/ and include/; default: the one trainbed came with.

    Raises MissingTool without a compiler, BuildError when it refuses the sources, DoesNotFit when flash, RAM or the
    stack overflow, InputError for options that cannot be.
    """
    for _ in range(_ATTEMPTS):
        job = _job(board, generated, options or BuildOptions(), firmware)
        key = job.key()
        entry = cache.entry_path(_KIND, key)
        found = _load(entry)
        if found is not None:
            return found
        with cache.only_one(_KIND, key), cache.new_entry(_KIND) as folder:
            found = _load(entry)
            if found is not None:  # made while this one waited
                return found
            if entry.exists():
                cache.discard(entry)
            _build_in(folder, job)
            # A source saved while the compiler ran would be kept for ever under the key of what it was: build again.
            if _job(board, generated, options or BuildOptions(), firmware).key() == key:
                cache.publish(folder, _KIND, key)
    raise BuildError(f"the sources in {job.root} kept changing, or the cache {entry} cannot be read back")


def write_compile_commands(
    path: Path,
    *,
    board: Board,
    generated: Mapping[str, str],
    options: BuildOptions | None = None,
    firmware: Path | None = None,
) -> None:
    """Write compile_commands.json for editors and analysers; the generated sources are those of the cached build."""
    options = options or BuildOptions()
    built = build(board, generated=generated, options=options, firmware=firmware)
    job = _job(board, generated, options, firmware)
    folder = built.folder / "generated"
    command = [*job.compiler.command, *job.compile_flags, *job.include_flags(folder), "-c"]
    files = [str(job.path(name, folder)) for name in job.units()]
    commands = [{"directory": str(built.folder), "file": file, "arguments": [*command, file]} for file in files]
    path.write_text(json.dumps(commands, indent=1) + "\n", encoding="utf-8")


def _job(board: Board, generated: Mapping[str, str], options: BuildOptions, firmware: Path | None) -> _Job:
    core = core_named(board.core)
    if options.optimize not in _OPTIMIZE:
        raise InputError(f"build.optimize is '{options.optimize}', expected one of {', '.join(_OPTIMIZE)}")
    if options.sanitize and not core.native:
        raise InputError(f"sanitizers run on the native board only, not on '{board.name}'")
    root = (firmware or asset_path("firmware")).absolute()
    application = ("app", "link") if options.application == "app" else (options.application,)
    sources = _read_sources(root, (*application, "src", f"port/{board.soc}", *core.source_folders))
    for name, text in generated.items():
        if "/" in name or not name.endswith((".c", ".h")):
            raise InputError(f"generated file '{name}' must be a plain name ending in .c or .h")
        sources[f"generated/{name}"] = text.encode()
    defines = {"TRN_BAUD": str(board.baud), "TRN_CLOCK_HZ": str(board.clock_hz), **options.defines}
    compile_flags = [*core.flags, f"-{options.optimize}", *(_AVR_LANGUAGE if core.avr else _LANGUAGE), *WARNINGS]
    compile_flags += [f"-D{name}={value}" for name, value in sorted(defines.items())]
    if options.optimize == "Og" and not core.native and not core.avr:
        compile_flags += ["-DTRN_I8_SIMD=0"]  # a debugger's code leaves no registers for assembly: the same bits in C
    if board.code_in != "flash":
        compile_flags += ["-DTRN_CODE_IN_RAM"]
    link_flags: list[str] = [*core.flags]
    if core.native:
        compile_flags += ["-fno-pie", *(_SANITIZE if options.sanitize else ())]
        link_flags += ["-no-pie", "-Wl,--gc-sections", *(_SANITIZE if options.sanitize else ())]
    else:
        compile_flags += [] if core.avr else ["-fstack-usage", "-fcallgraph-info=su"]
        link_flags += ["-nostdlib", "-Wl,--gc-sections", "-Wl,--build-id=none", "-Wl,--fatal-warnings"]
    return _Job(
        board=board,
        core=core,
        compiler=find_compiler(board.core),
        root=root,
        sources=sources,
        script=None if core.native else linker_script(board),
        compile_flags=tuple(compile_flags),
        link_flags=tuple(link_flags),
    )


def _read_sources(root: Path, folders: tuple[str, ...]) -> dict[str, bytes]:
    """Sources and headers of the folders, not of their subfolders, and all headers of include/."""
    paths = [path for folder in folders for path in (root / folder).glob("*.[ch]")]
    paths += (root / "include").rglob("*.h")
    return {f"firmware/{path.relative_to(root).as_posix()}": path.read_bytes() for path in paths}


def _build_in(folder: Path, job: _Job) -> None:
    generated = folder / "generated"
    objects = folder / "objects"
    generated.mkdir()
    objects.mkdir()
    for name, content in job.sources.items():
        if name.startswith("generated/"):
            job.path(name, generated).write_bytes(content)
    common = [*job.compiler.command, *job.compile_flags, *job.include_flags(generated)]
    # The ELF must not tell where it was built: the same sources give the same bytes from a checkout and from a wheel.
    common += [f"{job.core.prefix_map}={path}={name}" for path, name in ((job.root, "firmware"), (folder, "."))]

    def compile_one(name: str) -> Path:
        target = objects / (name.replace("/", "_")[:-2] + ".o")
        errors = _run([*common, "-c", str(job.path(name, generated)), "-o", str(target)], folder)
        if errors:
            raise BuildError(_message(errors, job.compiler, name))
        return target

    # Two at a time: model.c is most of the work, and small machines have two cores.
    with ThreadPoolExecutor(2) as pool:
        targets = list(pool.map(compile_one, sorted(job.units(), key=lambda name: -len(job.sources[name]))))
    elf = folder / "firmware.elf"
    script = []
    if job.script is not None:
        (folder / "board.ld").write_text(job.script, encoding="utf-8")
        script = ["-T", str(folder / "board.ld")]
    link = [*job.compiler.command, *job.link_flags, *script, *map(str, sorted(targets)), *job.core.libraries]
    link += ["-o", str(elf)]
    errors = _run(link, folder)
    if errors:
        _refuse_overflow(errors, job.board, targets)
        raise BuildError(_message(errors, job.compiler, "to link"))
    if job.board.boot is not None and job.board.boot.checksum:
        seal(elf, job.board.boot.checksum)
    found = facts(elf)
    bound = _stack_bound(elf, found, job, objects)
    shutil.rmtree(objects)
    (folder / "facts.json").write_text(json.dumps(_to_json(elf, found, job, bound)), encoding="utf-8")


def _run(command: list[str], folder: Path) -> str:
    """What the compiler complained about; empty when it succeeded."""
    done = subprocess.run(
        command, cwd=folder, env=_environment(), capture_output=True, text=True, errors="replace", check=False
    )
    return "" if done.returncode == 0 else done.stderr or f"exit code {done.returncode}"


def _environment() -> dict[str, str]:
    """Without the variables that slip host folders into every gcc; messages in English, because they are matched."""
    kept = {name: value for name, value in os.environ.items() if name not in _FOLDER_VARIABLES}
    return {**kept, "LC_ALL": "C"}


def _message(errors: str, compiler: Compiler, what: str) -> str:
    if re.search(r"fatal error: (stdint|string|stddef)\.h: No such file", errors):
        # The compiler is there, the headers it came to us with are a package of their own.
        raise MissingTool("the C library headers", install=compiler.install)
    lines = [
        line for line in errors.splitlines() if re.search(r"error: |undefined reference|multiple definition", line)
    ]
    shown = "\n  ".join((lines or errors.splitlines())[:5])
    return f"{compiler.name} refused {what}:\n  {shown}"


def _refuse_overflow(errors: str, board: Board, objects: list[Path]) -> None:
    reasons = []
    for region, excess in re.findall(r"region `(\w+)' overflowed by (\d+) bytes?", errors):
        memory = board.memory(region)
        assert memory is not None, region
        largest = ", ".join(f"{name} {size}" for name, size in largest_objects(objects, ram=region == "ram"))
        reasons.append(
            f"the firmware needs {memory.length + int(excess)} B of {_LABELS[region]}, {board.name} has {memory.length}"
            f"{f' (stack of {board.stack_bytes} included)' if region == 'ram' else ''}; largest: {largest}"
        )
    if reasons:
        raise DoesNotFit("\n".join(reasons))


def _stack_bound(elf: Path, found: ElfFacts, job: _Job, objects: Path) -> int | None:
    if job.core.native:
        return None
    if job.core.avr:
        code = flash_content(elf)
        bound = avr_stack.stack_bound(_ROOT, code=code, functions=found.functions, return_bytes=job.core.return_bytes)
    else:
        objdump = str(job.compiler.command[0]).removesuffix("gcc") + "objdump"
        graphs = sorted(objects.glob("*.ci"))
        bound = stack_bound(_ROOT, graphs=graphs, elf=elf, facts=found, objdump=objdump)
    if bound > job.board.stack_bytes:
        raise DoesNotFit(
            f"the firmware needs {bound} B of stack, {job.board.name} sets {job.board.stack_bytes} B aside"
        )
    return bound


def _to_json(elf: Path, found: ElfFacts, job: _Job, stack_bound: int | None) -> dict[str, Any]:
    content = elf.read_bytes()
    return {
        "sha256": hashlib.sha256(content).hexdigest(),
        "stack_bound_bytes": stack_bound,
        "compiler": job.compiler.version,
        "flags": job.compile_flags,
        **asdict(found),
        "marks": list(found.marks.items()),
    }


def _load(entry: Path) -> Firmware | None:
    """An entry of the cache, or None when it is absent or damaged."""
    elf = entry / "firmware.elf"
    try:
        raw = json.loads((entry / "facts.json").read_bytes())
        if hashlib.sha256(elf.read_bytes()).hexdigest() != raw["sha256"]:
            return None
        image = GuestImage(
            elf=elf,
            sha256=raw["sha256"],
            marks={int(address): int(phase) for address, phase in raw["marks"]},
            functions=tuple((start, size, name) for start, size, name in raw["functions"]),
            stack_low=raw["stack_low"],
            stack_top=raw["stack_top"],
        )
        return Firmware(
            image=image,
            flash_bytes=raw["flash_bytes"],
            ram_static_bytes=raw["ram_static_bytes"],
            sections=raw["sections"],
            symbols=raw["symbols"],
            constants=raw["constants"],
            stack_bound_bytes=raw["stack_bound_bytes"],
            compiler=raw["compiler"],
            flags=tuple(raw["flags"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
