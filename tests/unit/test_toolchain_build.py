# SPDX-License-Identifier: Apache-2.0
"""The build: what comes out, the cache, and what it says when it cannot."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from stub_firmware import CONFIG, ECHO, stub_firmware

from trainbed.boards import Board, load_board
from trainbed.errors import BuildError, DoesNotFit, ExitCode, InputError, MissingTool
from trainbed.toolchain import BuildOptions, Firmware, build, find_compiler, locate, write_compile_commands

GENERATED = {"trn_config.h": CONFIG}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINBED_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CC", raising=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return stub_firmware(tmp_path)


@pytest.fixture
def board() -> Board:
    return load_board("arduino_nano_33_ble")


def _entries(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache" / "firmware").glob("*"))


def _no_compiler_may_start(*_: Any, **__: Any) -> Any:
    raise AssertionError("a compiler was started")


def test_the_vector_table_stands_at_the_board_s_flash_origin(board: Board, root: Path) -> None:
    from elftools.elf.elffile import ELFFile

    firmware = build(board, generated=GENERATED, firmware=root)
    with firmware.image.elf.open("rb") as stream:
        vectors = ELFFile(stream).get_section_by_name(".vectors")
        assert vectors["sh_addr"] == 0x10000
        words = vectors.data()
    entries = {name: start for start, _, name in firmware.image.functions}
    assert int.from_bytes(words[0:4], "little") == firmware.image.stack_top
    assert int.from_bytes(words[4:8], "little") == entries["trn_reset"] | 1
    assert int.from_bytes(words[12:16], "little") == entries["trn_fault_hard"] | 1
    assert len(words) == 4 * (16 + 48)


def test_the_stack_lies_at_the_bottom_of_ram(board: Board, root: Path) -> None:
    image = build(board, generated=GENERATED, firmware=root).image
    assert image.stack_low == 0x2000_0000
    assert image.stack_top == 0x2000_0000 + board.stack_bytes


def test_objects_and_alignment_add_up_to_the_static_ram(board: Board, root: Path) -> None:
    firmware = build(board, generated=GENERATED, firmware=root)
    assert firmware.symbols["rx"] == firmware.symbols["tx"] == 64
    assert firmware.ram_static_bytes == firmware.sections[".data"] + firmware.sections[".bss"]
    assert 0 <= firmware.ram_static_bytes - sum(firmware.symbols.values()) < 4 * len(firmware.symbols)


def test_the_image_of_initialised_data_counts_as_flash_and_as_ram(board: Board, tmp_path: Path, root: Path) -> None:
    before = build(board, generated=GENERATED, firmware=root)
    main = ECHO.replace("static uint8_t tx[TRN_RX_BYTES];", "static uint8_t tx[TRN_RX_BYTES] = {1};")
    after = build(board, generated=GENERATED, firmware=stub_firmware(tmp_path / "b", main))
    assert after.flash_bytes - before.flash_bytes == 64
    assert after.ram_static_bytes == before.ram_static_bytes


def test_phases_are_told_apart_although_the_marks_have_the_same_body(board: Board, root: Path) -> None:
    phases = ("other", "forward", "backward", "update", "evaluate", "convert")
    calls = "".join(f"trn_mark_{phase}();" for phase in phases)
    main = f"#include <trn/mark.h>\nint main(void);\nint main(void) {{ {calls} return 0; }}\n"
    (root / "app" / "main.c").write_text(main)
    image = build(board, generated=GENERATED, firmware=root).image
    names = {start: name for start, _, name in image.functions}
    assert {names[address]: phase for address, phase in image.marks.items()} == {
        f"trn_mark_{phase}": number for number, phase in enumerate(phases)
    }


def test_faults_are_told_apart_although_the_parks_have_the_same_body(board: Board, root: Path) -> None:
    functions = build(board, generated=GENERATED, firmware=root).image.functions
    sizes = {name: size for _, size, name in functions if name.startswith("trn_fault_")}
    # Folded into one, all but the first would only jump there, and a program counter would name the wrong fault.
    assert len(sizes) >= 11
    assert len(set(sizes.values())) == 1


def test_a_second_build_comes_from_the_cache(board: Board, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build(board, generated=GENERATED, firmware=root)
    monkeypatch.setattr(subprocess, "run", _no_compiler_may_start)
    assert build(board, generated=GENERATED, firmware=root) == first


def test_whatever_could_change_the_elf_is_part_of_the_key(board: Board, root: Path) -> None:
    def folder(built: Firmware) -> Path:
        return built.folder

    seen = [folder(build(board, generated=GENERATED, firmware=root))]
    seen.append(folder(build(board, generated={"trn_config.h": CONFIG + "\n"}, firmware=root)))
    seen.append(folder(build(board, generated=GENERATED, firmware=root, options=BuildOptions(optimize="Os"))))
    seen.append(folder(build(board, generated=GENERATED, firmware=root, options=BuildOptions(defines={"A": "1"}))))
    more_stack = dataclasses.replace(board, stack_bytes=8192)
    seen.append(folder(build(more_stack, generated=GENERATED, firmware=root)))
    (root / "include" / "trn" / "extra.h").write_text("/* new */\n")
    seen.append(folder(build(board, generated=GENERATED, firmware=root)))
    assert len(set(seen)) == len(seen)


def test_another_compiler_version_is_another_firmware(
    board: Board, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(board, generated=GENERATED, firmware=root)
    newer = dataclasses.replace(find_compiler(board.core), version="gcc of tomorrow")
    monkeypatch.setattr("trainbed.toolchain.firmware.find_compiler", lambda core: newer)
    second = build(board, generated=GENERATED, firmware=root)
    assert second.folder != first.folder
    assert second.compiler == "gcc of tomorrow"


@pytest.mark.parametrize("file", ["firmware.elf", "facts.json"])
def test_a_damaged_cache_entry_is_built_again(board: Board, root: Path, file: str, tmp_path: Path) -> None:
    first = build(board, generated=GENERATED, firmware=root)
    content = (first.folder / file).read_bytes()
    (first.folder / file).write_bytes(content[: len(content) // 2])
    assert build(board, generated=GENERATED, firmware=root) == first
    assert (first.folder / file).read_bytes() == content
    assert len(_entries(tmp_path)) == 1


def test_a_source_that_changes_during_the_build_is_built_again(
    board: Board, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real, source = subprocess.run, root / "app" / "main.c"
    changed = ECHO.replace("static uint8_t tx[TRN_RX_BYTES];", "static uint8_t tx[2 * TRN_RX_BYTES];")

    def run_and_edit(command: list[str], **options: Any) -> Any:
        done = real(command, **options)
        source.write_text(changed)
        return done

    monkeypatch.setattr(subprocess, "run", run_and_edit)
    assert build(board, generated=GENERATED, firmware=root).symbols["tx"] == 128
    assert len(_entries(tmp_path)) == 1
    monkeypatch.undo()
    monkeypatch.setenv("TRAINBED_CACHE", str(tmp_path / "cache"))
    source.write_text(ECHO)
    assert build(board, generated=GENERATED, firmware=root).symbols["tx"] == 64


def _build_in_process(root: Path, gate: Any, results: Any) -> None:
    gate.wait()
    firmware = build(load_board("arduino_nano_33_ble"), generated=GENERATED, firmware=root)
    results.put((str(firmware.image.elf), firmware.image.sha256))


def test_two_processes_may_build_the_same_firmware_at_once(root: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    gate, results = context.Barrier(2), context.Queue()
    workers = [context.Process(target=_build_in_process, args=(root, gate, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    answers = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert answers[0] == answers[1]
    assert Path(answers[0][0]).is_file()
    assert len(_entries(tmp_path)) == 1


def test_the_elf_does_not_tell_where_it_was_built(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = []
    for place in ("one", "another/and/deeper"):
        monkeypatch.setenv("TRAINBED_CACHE", str(tmp_path / place / "cache"))
        built = build(board, generated=GENERATED, firmware=stub_firmware(tmp_path / place))
        images.append(built.image)
        assert str(tmp_path).encode() not in built.image.elf.read_bytes()
    assert images[0].elf != images[1].elf
    assert images[0].sha256 == images[1].sha256


def test_a_compile_error_is_shown_with_its_file_and_leaves_nothing_behind(
    board: Board, root: Path, tmp_path: Path
) -> None:
    (root / "app" / "main.c").write_text("int main(void);\nint main(void) { return missing; }\n")
    with pytest.raises(
        BuildError, match=r"refused firmware/app/main\.c:\n .*main\.c:2:\d+: error: 'missing' undeclared"
    ) as caught:
        build(board, generated=GENERATED, firmware=root)
    assert caught.value.exit_code == ExitCode.MISSING_TOOL
    assert _entries(tmp_path) == []


def test_a_warning_is_an_error(board: Board, root: Path) -> None:
    (root / "app" / "main.c").write_text(
        "int main(void);\nint main(void) { volatile float f = 1; return (int)(f * 0.1); }\n"
    )
    with pytest.raises(BuildError, match="double-promotion"):
        build(board, generated=GENERATED, firmware=root)


def test_a_missing_function_is_named(board: Board, root: Path) -> None:
    (root / "app" / "main.c").write_text("void gone(void);\nint main(void);\nint main(void) { gone(); return 0; }\n")
    with pytest.raises(BuildError, match="undefined reference to `gone'"):
        build(board, generated=GENERATED, firmware=root)


def test_too_much_ram_is_refused_with_the_sizes_and_the_largest_objects(board: Board, root: Path) -> None:
    generated = {"trn_config.h": "#define TRN_RX_BYTES 200000\n"}
    with pytest.raises(
        DoesNotFit, match=r"needs 40\d\d\d\d B of RAM, .* has 262144 \(stack of 4096 .*rx 200000, tx 200000"
    ):
        build(board, generated=generated, firmware=root)


def test_too_much_flash_is_refused_with_the_sizes(board: Board, root: Path) -> None:
    main = "extern const unsigned char big[];\nconst unsigned char big[983040] = {1};\nint main(void);\n"
    (root / "app" / "main.c").write_text(main + "int main(void) { return *(const volatile unsigned char *)big; }\n")
    with pytest.raises(DoesNotFit, match=r"needs 98\d\d\d\d B of flash, .* has 983040; largest: big 983040"):
        build(board, generated=GENERATED, firmware=root)


def test_a_missing_cross_compiler_comes_with_the_line_that_installs_it(
    board: Board, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingTool, match="sudo apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi"):
        build(board, generated=GENERATED, firmware=root)


def test_a_missing_host_compiler_comes_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-cc -m64")
    with pytest.raises(MissingTool, match=r"no-such-cc is missing; .*apt-get install gcc"):
        find_compiler("native")


def test_impossible_options_are_refused(board: Board, root: Path) -> None:
    with pytest.raises(InputError, match="optimize is 'O9', expected one of O0"):
        build(board, generated=GENERATED, firmware=root, options=BuildOptions(optimize="O9"))
    with pytest.raises(InputError, match="sanitizers run on the native board only"):
        build(board, generated=GENERATED, firmware=root, options=BuildOptions(sanitize=True))
    with pytest.raises(InputError, match="must be a plain name"):
        build(board, generated={"../main.c": ""}, firmware=root)


def test_a_baud_rate_the_part_cannot_make_is_refused(board: Board, root: Path) -> None:
    with pytest.raises(BuildError, match=r"uart\.baud"):
        build(dataclasses.replace(board, baud=12345), generated=GENERATED, firmware=root)


def test_a_cache_that_cannot_be_written_is_named(board: Board, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINBED_CACHE", "/dev/null/cache")
    with pytest.raises(InputError, match=r"cannot write the cache /dev/null/cache .*set TRAINBED_CACHE"):
        build(board, generated=GENERATED, firmware=root)


def test_an_address_is_located_by_function_file_and_line(board: Board, root: Path) -> None:
    image = build(board, generated=GENERATED, firmware=root).image
    start = next(start for start, _, name in image.functions if name == "trn_port_receive_wait")
    source = (root / "port" / "nrf52840" / "port.c").read_text().splitlines()
    line = source.index("uint32_t trn_port_receive_wait(void)") + 2  # its brace
    assert locate(image.elf, start) == f"trn_port_receive_wait (port.c:{line})"
    assert locate(image.elf, 0x2000_0000) == "0x20000000"


def test_compile_commands_compile(board: Board, tmp_path: Path) -> None:
    file = tmp_path / "compile_commands.json"
    main = {"main.c": ECHO, "trn_config.h": CONFIG}
    write_compile_commands(
        file, board=board, generated=main, firmware=stub_firmware(tmp_path, "/* in main.c */\nint x;\n")
    )
    commands = json.loads(file.read_text())
    assert {"port.c", "start.c", "memory.c", "main.c"} <= {Path(command["file"]).name for command in commands}
    command = next(command for command in commands if "generated" in command["file"])
    done = subprocess.run(
        [*command["arguments"], "-fsyntax-only"], cwd=command["directory"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m4f", "cortex-m7", "cortex-m33f"])
@pytest.mark.parametrize("optimize", ["O0", "Os", "O2", "O3"])
def test_the_shared_start_up_builds_for_every_core(board: Board, root: Path, core: str, optimize: str) -> None:
    options = BuildOptions(optimize=optimize)
    firmware = build(dataclasses.replace(board, core=core), generated=GENERATED, firmware=root, options=options)
    assert firmware.stack_bound_bytes is not None
    assert 0 < firmware.stack_bound_bytes < 512


def test_an_unknown_core_is_refused_with_the_known_ones(board: Board, root: Path) -> None:
    with pytest.raises(InputError, match="no toolchain for core 'z80'; cores: native, cortex-m0, "):
        build(dataclasses.replace(board, core="z80"), generated=GENERATED, firmware=root)


def test_what_a_killed_build_left_behind_is_swept_a_day_later(board: Board, root: Path, tmp_path: Path) -> None:
    old, recent = (tmp_path / "cache" / "firmware" / name for name in ("new-old", "new-recent"))
    for folder in (old, recent):
        folder.mkdir(parents=True)
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (two_days_ago, two_days_ago))
    build(board, generated=GENERATED, firmware=root)
    assert (old.exists(), recent.exists()) == (False, True)


def test_host_folders_in_the_environment_do_not_reach_the_build(
    board: Board, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stdint.h").write_text("#error host header\n")
    monkeypatch.setenv("CPATH", str(tmp_path))
    build(board, generated=GENERATED, firmware=root)


def test_missing_headers_of_the_c_library_come_with_the_line_that_installs_them(
    board: Board, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = "port.c:11:10: fatal error: string.h: No such file or directory"
    monkeypatch.setattr("trainbed.toolchain.firmware._run", lambda command, folder: error)
    with pytest.raises(MissingTool, match=r"headers is missing; install it with: sudo apt-get install .*libnewlib"):
        build(board, generated=GENERATED, firmware=root)
