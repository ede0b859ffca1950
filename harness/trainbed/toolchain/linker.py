# SPDX-License-Identifier: Apache-2.0
"""Linker scripts, generated from platforms/<board>.yaml."""

from __future__ import annotations

from trainbed.boards import Board
from trainbed.errors import InputError

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


def linker_script(board: Board) -> str:
    """The linker script of a board with flash and RAM. Raises InputError when the board describes none or no stack."""
    flash, ram = board.memory("flash"), board.memory("ram")
    if flash is None or ram is None:
        raise InputError(f"board '{board.name}' needs memories 'flash' and 'ram' to be built for")
    if not 256 <= board.stack_bytes < ram.length:
        raise InputError(f"board '{board.name}': stack_bytes is {board.stack_bytes}, expected 256 .. {ram.length}")
    return _SCRIPT.format(
        title=board.title,
        name=board.name,
        flash_origin=flash.origin,
        flash_length=flash.length,
        ram_origin=ram.origin,
        ram_length=ram.length,
        stack_bytes=board.stack_bytes,
    )
