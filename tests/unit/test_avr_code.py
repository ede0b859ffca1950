# SPDX-License-Identifier: Apache-2.0
"""AVR code read without an emulator: instructions, where they lead, the stack a firmware needs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from trainbed.avr.image import flash_content, flash_segments
from trainbed.avr.instructions import Kind, decode, target
from trainbed.avr.stack import stack_bound
from trainbed.errors import BuildError
from trainbed.toolchain.elf import facts

needs_compiler = pytest.mark.skipif(shutil.which("avr-gcc") is None, reason="avr-gcc is not installed")

PUSH, POP, RET, RCALL_NEXT, NOP = 0x93CF, 0x91CF, 0x9508, 0xD000, 0x0000


def code(*words: int) -> bytes:
    return b"".join(word.to_bytes(2, "little") for word in words)


def bound(functions: dict[str, bytes], *, return_bytes: int = 2) -> int:
    """Of functions that lie one behind the other, the first being the root."""
    content, places = b"", []
    for name, body in functions.items():
        places.append((len(content), len(body), name))
        content += body
    return stack_bound(next(iter(functions)), code=content, functions=tuple(places), return_bytes=return_bytes)


def test_instructions_are_told_apart_by_their_bits() -> None:
    assert (decode(0x0000).name, decode(0x940C).name, decode(0x940C).words) == ("nop", "jmp", 2)
    assert (decode(0x8119).pointer, decode(0x8119).displacement) == ("Y", 1)
    assert (decode(0xAF9F).kind, decode(0xAF9F).pointer, decode(0xAF9F).displacement) == (Kind.STORE, "Y", 63)
    assert (decode(0x900E).pointer, decode(0x900E).displacement) == ("X", -1)
    assert decode(0x9000).pointer == "direct"
    assert decode(0xFFFF).kind is Kind.ILLEGAL
    assert decode(0x9204).kind is Kind.ILLEGAL  # XCH, which only another core has
    assert sum(decode(word).kind is Kind.ILLEGAL for word in range(0x10000)) < 0x1000


def test_jumps_lead_where_the_manual_says() -> None:
    assert target(0x100, 0xCFFF, 0) == 0x100  # rjmp .-2
    assert target(0x100, 0xD001, 0) == 0x104  # rcall .+2
    assert target(0x100, 0xF7F1, 0) == 0x0FE  # brne .-4
    assert target(0x100, 0x940E, 0x0080) == 0x100
    assert target(0x100, 0x95FF, 0xFFFF) == 2 * 0x3FFFFF  # call, all 22 bits
    assert target(0x100, 0x9509, 0) is None


def test_the_bound_follows_the_deepest_way() -> None:
    leaf = code(PUSH, PUSH, POP, POP, RET)
    main = code(PUSH, 0xD002, POP, RET)  # rcall over two words
    assert bound({"main": main, "leaf": leaf}) == 1 + 2 + 2 + 2  # the last is the interrupt that only wakes
    assert bound({"main": main, "leaf": leaf}, return_bytes=3) == 1 + 3 + 2 + 3


def test_a_call_of_what_follows_is_room_on_the_stack() -> None:
    assert bound({"main": code(RCALL_NEXT, RCALL_NEXT, POP, POP, POP, POP, RET)}) == 4 + 2


def test_a_frame_made_through_the_frame_pointer_counts() -> None:
    frame = code(PUSH, 0x93DF, 0xB7CD, 0xB7DE, 0x97A4, 0xBFDE, 0xBFCD, NOP, 0x96A4, 0xBFDE, 0xBFCD, 0x91DF, POP, RET)
    assert bound({"main": frame}) == 2 + 0x24 + 2  # push, push, sbiw r28, 0x24
    large = code(PUSH, 0x93DF, 0xB7CD, 0xB7DE, 0x52CC, 0x40D1, 0xBFDE, 0xBFCD, RET)  # subi r28, 0x2c; sbci r29, 1
    assert bound({"main": large}) == 2 + 0x12C + 2


def test_a_frame_pointer_that_a_kernel_borrows_is_known_again() -> None:
    make, free = (PUSH, 0x93DF, 0xB7CD, 0xB7DE, 0x97A4, 0xBFDE, 0xBFCD), (0x96A4, 0xBFDE, 0xBFCD, 0x91DF, POP, RET)
    borrow = (PUSH, 0x93DF, 0x01EF, 0x50C5, 0x91DF, POP)  # push, push, movw r28, r30, subi r28, 5, pop, pop
    assert bound({"main": code(*make, *borrow, *free)}) == 2 + 0x24 + 2 + 2


def test_every_way_through_a_function_is_followed() -> None:
    body = code(0xFC80, 0xC002, PUSH, POP, RET, NOP)  # sbrc, rjmp over two: one way pushes
    assert bound({"main": body}) == 1 + 2
    tail = code(PUSH, PUSH, 0xC000)  # jumps into the next function with two bytes on the stack
    assert bound({"main": tail, "next": code(PUSH, POP, POP, POP, RET)}) == 3 + 2


def test_what_cannot_be_bounded_is_refused_by_name() -> None:
    with pytest.raises(BuildError, match="recursion main -> main"):
        bound({"main": code(PUSH, 0xDFFE, RET)})
    with pytest.raises(BuildError, match=r"main calls through a pointer \(0x2\)"):
        bound({"main": code(NOP, 0x9509, RET)})
    with pytest.raises(BuildError, match="main moves the stack pointer by an unknown amount"):
        bound({"main": code(0xBE0D, RET)})
    with pytest.raises(BuildError, match="main pushes in a loop"):
        bound({"main": code(PUSH, 0xCFFE)})


@needs_compiler
def test_the_bound_agrees_with_the_compiler_s_own_figures(tmp_path: Path) -> None:
    """GCC says what each function takes, its return address included; it knows nothing of who calls whom."""
    source = tmp_path / "a.c"
    source.write_text(
        "#include <stdint.h>\n"
        "#define APART __attribute__((noinline))\n"
        "APART uint8_t deep(volatile uint8_t *p) { volatile uint8_t b[40]; b[p[0] & 7] = 3; return b[1]; }\n"
        "APART uint8_t small(uint8_t x) { volatile uint8_t b[2]; b[0] = x; return deep(b) + b[1]; }\n"
        "int main(void) { return small(7) + small(9); }\n"
    )
    flags = ["-mmcu=avr5", "-O2", "-fstack-usage", "-nostdlib", "-Wl,-e,main"]
    subprocess.run(["avr-gcc", *flags, str(source), "-o", "a.elf"], cwd=tmp_path, check=True)
    usage = {
        line.split("\t")[0].rpartition(":")[2]: int(line.split("\t")[1])
        for path in tmp_path.glob("*.su")
        for line in path.read_text().splitlines()
    }
    elf = tmp_path / "a.elf"
    found = stack_bound("main", code=flash_content(elf), functions=facts(elf).functions, return_bytes=2)
    assert usage["deep"] > 40
    # main's own return address is not on the stack of a firmware that begins there; an interrupt's may be.
    assert found == sum(usage.values()) - 2 + 2


@needs_compiler
def test_segments_tell_where_flash_is_programmed_and_seen(tmp_path: Path) -> None:
    source = tmp_path / "a.c"
    source.write_text('const char text[] = "ab"; int main(void) { return text[0]; }\n')
    flags = ["-mmcu=avrxmega3", "-nostdlib", "-Wl,-e,main", "-Wl,--defsym=__RODATA_PM_OFFSET__=0x4000"]
    subprocess.run(["avr-gcc", *flags, str(source), "-o", "a.elf"], cwd=tmp_path, check=True)
    shifts = {segment.address - segment.programmed_at for segment in flash_segments(tmp_path / "a.elf")}
    assert shifts == {0, 0x4000}
    assert flash_content(tmp_path / "a.elf").endswith(b"ab\0")
