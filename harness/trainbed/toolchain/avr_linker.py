# SPDX-License-Identifier: Apache-2.0
"""The linker script of an AVR board: one address space for flash, one for data."""

from __future__ import annotations

from trainbed.boards import Board, Memory

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


def avr_script(board: Board, flash: Memory, ram: Memory) -> str:
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
