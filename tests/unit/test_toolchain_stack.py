# SPDX-License-Identifier: Apache-2.0
"""The bound of the stack: right where there is one, refused with a name where there is none."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from stub_firmware import stub_firmware

from trainbed.boards import load_board
from trainbed.errors import BuildError, DoesNotFit
from trainbed.toolchain import Firmware, build
from trainbed.toolchain.stack import _pushed

BOARD = load_board("arduino_nano_33_ble")
HEAD = "#include <stdint.h>\nextern volatile int32_t v;\nvolatile int32_t v;\nint main(void);\n"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINBED_CACHE", str(tmp_path / "cache"))


def _build(folder: Path, main: str, stack_bytes: int = 4096) -> Firmware:
    board = dataclasses.replace(BOARD, stack_bytes=stack_bytes)
    return build(board, generated={}, firmware=stub_firmware(folder, HEAD + main))


def _frame(n: int) -> str:
    return f"volatile uint8_t big[{n}]; big[v] = 1; v = big[0];"


def test_the_bound_follows_the_deepest_chain_of_calls(tmp_path: Path) -> None:
    functions = "".join(
        f"void {name}(void);\n__attribute__((noinline)) void {name}(void) {{ {_frame(n)} {callee} }}\n"
        for name, n, callee in (("deep", 512, ""), ("middle", 256, "deep(); v = 1;"), ("wide", 600, ""))
    )
    bound = _build(tmp_path, functions + "int main(void) { middle(); wide(); return 0; }").stack_bound_bytes
    assert bound is not None
    assert 512 + 256 <= bound < 512 + 256 + 64


def test_a_function_that_is_never_called_does_not_count(tmp_path: Path) -> None:
    dead = f"void dead(void);\nvoid dead(void) {{ {_frame(1024)} }}\n"
    bound = _build(tmp_path, dead + "int main(void) { return 0; }").stack_bound_bytes
    assert bound is not None
    assert bound < 100


def test_library_functions_count_by_their_code(tmp_path: Path) -> None:
    without = _build(tmp_path / "a", "int main(void) { v = v + v; return 0; }").stack_bound_bytes
    divide = "int main(void) { int64_t a = v; a = a * a / (v | 1); v = (int32_t)(a >> 32); return 0; }"
    with_division = _build(tmp_path / "b", divide).stack_bound_bytes
    assert without is not None
    assert with_division is not None
    # __aeabi_ldivmod keeps 16 bytes and calls __udivmoddi4, which pushes r4-r10 and lr.
    assert without < 16 + 32 < with_division


def test_recursion_is_refused_with_its_chain(tmp_path: Path) -> None:
    functions = """
int32_t even(int32_t n); int32_t odd(int32_t n);
__attribute__((noinline)) int32_t even(int32_t n) { return n == 0 ? 1 : odd(n - 1) + v; }
__attribute__((noinline)) int32_t odd(int32_t n) { return n == 0 ? 0 : even(n - 1) + v; }
"""
    with pytest.raises(BuildError, match=r"recursion (even -> odd -> even|odd -> even -> odd|even -> even)"):
        _build(tmp_path, functions + "int main(void) { return (int)even(v); }")


def test_a_call_through_a_pointer_is_refused_with_its_place(tmp_path: Path) -> None:
    pointer = "extern void (*volatile hook)(void);\nvoid (*volatile hook)(void);\n"
    with pytest.raises(BuildError, match=r"main calls through a pointer \(main\.c:\d+:\d+\)"):
        _build(tmp_path, pointer + "int main(void) { hook(); return 0; }")


def test_a_frame_without_a_fixed_size_is_refused_with_its_name(tmp_path: Path) -> None:
    main = "int main(void) { volatile uint8_t *p = __builtin_alloca((uint32_t)v); p[0] = 1; return p[0]; }"
    with pytest.raises(BuildError, match="the frame of main has no fixed size"):
        _build(tmp_path, main)


def test_a_firmware_that_needs_more_stack_than_the_board_sets_aside_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(DoesNotFit, match=r"needs 10\d\d B of stack, arduino_nano_33_ble sets 512 B aside"):
        _build(tmp_path, f"int main(void) {{ {_frame(1000)} return 0; }}", stack_bytes=512)


@pytest.mark.parametrize(
    ("mnemonic", "operands", "n_bytes"),
    [
        ("push", "{r4, r5, lr}", 12),
        ("stmdb", "sp!, {r4-r11, lr}", 36),
        ("vpush", "{d8-d15}", 64),
        ("vpush", "{s16}", 4),
        ("sub", "sp, #24", 24),
        ("sub.w", "sp, sp, #1024", 1024),
        ("str.w", "lr, [sp, #-8]!", 8),
        ("strd", "ip, lr, [sp, #-16]!", 16),
        ("pop", "{r4, pc}", 0),
        ("add", "sp, #24", 0),
        ("str", "r0, [sp, #4]", 0),
        ("sub.w", "sp, sp, r3", None),
        ("mov", "sp, r7", None),
    ],
)
def test_an_instruction_s_use_of_the_stack_is_read_from_its_text(
    mnemonic: str, operands: str, n_bytes: int | None
) -> None:
    assert _pushed(mnemonic, operands) == n_bytes
