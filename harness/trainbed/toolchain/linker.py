# SPDX-License-Identifier: Apache-2.0
"""Linker scripts, generated from platforms/<board>.yaml."""

from __future__ import annotations

from trainbed.boards import Board, Memory
from trainbed.errors import InputError
from trainbed.toolchain.compiler import core_named

_SCRIPT = """\
/* {title}. Generated from platforms/{name}.yaml. */
ENTRY(trn_reset)

MEMORY
{{
  flash (rx) : ORIGIN = 0x{flash_origin:08x}, LENGTH = 0x{flash_length:x}
  ram (rwx) : ORIGIN = 0x{ram_origin:08x}, LENGTH = 0x{ram_length:x}
}}

SECTIONS
{{
  .vectors : {{ KEEP(*(.vectors)) }} > flash
  .text : {{ *(.text .text.*) . = ALIGN(4); }} > flash
  .rodata : {{ *(.rodata .rodata.*) . = ALIGN(4); }} > flash

  /* At the bottom of RAM: a stack that overflows leaves the RAM and faults instead of eating the data. */
  .stack (NOLOAD) : ALIGN(8)
  {{
    __stack_limit = .;
    . += {stack_bytes};
    . = ALIGN(8);
    __stack_top = .;
  }} > ram

  .data : ALIGN(4)
  {{
    __data_start = .;
    *(.data .data.*)
    . = ALIGN(4);
    __data_end = .;
  }} > ram AT > flash
  __data_load = LOADADDR(.data);

  .bss (NOLOAD) : ALIGN(4)
  {{
    __bss_start = .;
    *(.bss .bss.* COMMON)
    . = ALIGN(4);
    __bss_end = .;
  }} > ram

  /* Nothing unwinds a stack here. */
  /DISCARD/ : {{ *(.ARM.exidx*) *(.ARM.extab*) *(.eh_frame*) }}
}}
"""

_AVR_SCRIPT = """\
/* {title}. Generated from platforms/{name}.yaml. */
ENTRY(trn_vectors)

/* Of the three address spaces the linker makes one: RAM has 0x800000 added. */
MEMORY
{{
  flash (rx) : ORIGIN = 0x{flash_origin:x}, LENGTH = 0x{flash_length:x}
  ram (rwx) : ORIGIN = 0x{ram_origin:x}, LENGTH = 0x{ram_length:x}
}}

/* Of GCC's code, which knows them by these names. */
__SREG__ = 0x3f;
__SP_H__ = 0x3e;
__SP_L__ = 0x3d;
__RAMPZ__ = 0x3b;
__tmp_reg__ = 0;
__zero_reg__ = 1;

SECTIONS
{{
  /* Vectors first, then tables in reach of LPM, which takes 16 bits of address. */
  .text :
  {{
    KEEP(*(.vectors))
    *(.progmem .progmem.* .trampolines)
    . = ALIGN(2);
    *(.text .text.*)
    . = ALIGN(2);
  }} > flash

{rodata}  /* At the bottom of RAM: a stack that overflows leaves the RAM and faults instead of eating the data. */
  .stack (NOLOAD) :
  {{
    __stack_limit = .;
    . += {stack_bytes};
    __stack_top = .;
  }} > ram

  .data :
  {{
    __data_start = .;
    *(.data .data.*){constants}
    __data_end = .;
  }} > ram AT > flash
  __data_load = LOADADDR(.data);

  .bss (NOLOAD) :
  {{
    __bss_start = .;
    *(.bss .bss.* COMMON)
    __bss_end = .;
  }} > ram
}}
"""

MAPPED_AT = 0x4000
"""Where data space shows the flash of the ATmega4809. Source: data sheet DS40002173, section 6."""
_MAPPED_RODATA = """\
  /* Constants are read where data space shows the flash: no copy in RAM, no special instruction. */
  .rodata (LOADADDR(.text) + SIZEOF(.text) + 0x{mapped_at:x}) :
  {{
    *(.rodata .rodata.*)
    . = ALIGN(2);
  }} AT > flash

"""
_COPIED_RODATA = """
    *(.rodata .rodata.*) /* these cores read constants from RAM alone */"""
_RAM_SPACE = 0x80_0000


def linker_script(board: Board) -> str:
    """The linker script of a board with flash and RAM. Raises InputError when the board describes none or no stack."""
    flash, ram = board.memory("flash"), board.memory("ram")
    if flash is None or ram is None:
        raise InputError(f"board '{board.name}' needs memories 'flash' and 'ram' to be built for")
    if not 128 <= board.stack_bytes < ram.length:
        raise InputError(f"board '{board.name}': stack_bytes is {board.stack_bytes}, expected 128 .. {ram.length}")
    if core_named(board.core).avr:
        return _avr_script(board, flash, ram)
    return _SCRIPT.format(
        title=board.title,
        name=board.name,
        flash_origin=flash.origin,
        flash_length=flash.length,
        ram_origin=ram.origin,
        ram_length=ram.length,
        stack_bytes=board.stack_bytes,
    )


def _avr_script(board: Board, flash: Memory, ram: Memory) -> str:
    """Constants stay in flash where data space shows it; the older cores copy them to RAM."""
    mapped = board.core == "avrxt"
    return _AVR_SCRIPT.format(
        title=board.title,
        name=board.name,
        flash_origin=flash.origin,
        flash_length=flash.length,
        ram_origin=_RAM_SPACE + ram.origin,
        ram_length=ram.length,
        stack_bytes=board.stack_bytes,
        rodata=_MAPPED_RODATA.format(mapped_at=MAPPED_AT) if mapped else "",
        constants="" if mapped else _COPIED_RODATA,
    )
