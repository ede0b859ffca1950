# SPDX-License-Identifier: Apache-2.0
"""Linker scripts, generated from platforms/<board>.yaml."""

from __future__ import annotations

from collections.abc import Iterator

from trainbed.boards import Board, Memory
from trainbed.errors import InputError
from trainbed.toolchain.avr_linker import avr_script
from trainbed.toolchain.compiler import core_named

_SCRIPT = """\
/* {title}. Generated from platforms/{name}.yaml. */
ENTRY(trn_reset)

MEMORY
{{
{memories}
}}
{headers}
SECTIONS
{{
{boot}  .vectors{vectors} : {{ {vectors_symbol}KEEP(*(.vectors)) }} > flash{flash_header}
{text}
  .rodata : {{ *(.rodata .rodata.*) . = ALIGN(4); }} > flash{flash_header}

  /* At the bottom of RAM: a stack that overflows leaves the RAM and faults instead of eating the data. */
  .stack (NOLOAD) : ALIGN(8)
  {{
    __stack_limit = .;
    . += {stack_bytes};
    . = ALIGN(8);
    __stack_top = .;
  }} > ram{stack_header}

  .data : ALIGN(4)
  {{
    __data_start = .;
    *(.data .data.*)
    . = ALIGN(4);
    __data_end = .;
  }} > ram AT > flash{data_header}
  __data_load = LOADADDR(.data);

  .bss (NOLOAD) : ALIGN(4)
  {{
    __bss_start = .;
    *(.bss .bss.* COMMON)
    . = ALIGN(4);
    __bss_end = .;
  }} > ram{data_header}
{code}
  /* Nothing unwinds a stack here. */
  /DISCARD/ : {{ *(.ARM.exidx*) *(.ARM.extab*) *(.eh_frame*) }}
}}
"""
_TEXT = "  .text : { *(.text .text.*) . = ALIGN(4); } > flash"
_RESET = "  .text : { *(.text.trn_reset) . = ALIGN(4); } > flash :flash"
_CODE = """
  /* Copied there by trn_reset, the only code that runs from flash. */
  {section} : ALIGN({alignment})
  {{
    __code_start = .;
    *(.text .text.*)
    . = ALIGN(4);
    __code_end = .;
  }} > {memory} AT > flash :code
  __code_load = LOADADDR({section});
"""
_HEADERS = """
PHDRS
{
  flash PT_LOAD FLAGS(5);
  stack PT_LOAD FLAGS(6);
  data PT_LOAD FLAGS(6);
  code PT_LOAD FLAGS(5);
}
"""
RAM_CODE, TCM_CODE = ".ram_code", ".tcm_code"
"""Copied code: in the RAM that holds the data too, or in one of its own."""
_ACCESS = {"flash": "rx", "code": "rwx", "ram": "rwx"}


def linker_script(board: Board) -> str:
    """The linker script of a board with flash and RAM. Raises InputError when the board describes none or no stack."""
    flash, ram = board.memory("flash"), board.memory("ram")
    if flash is None or ram is None:
        raise InputError(f"board '{board.name}' needs memories 'flash' and 'ram' to be built for")
    if not 128 <= board.stack_bytes < ram.length:
        raise InputError(f"board '{board.name}': stack_bytes is {board.stack_bytes}, expected 128 .. {ram.length}")
    if core_named(board.core).avr:
        return avr_script(board, flash, ram)
    in_flash = board.code_in == "flash"
    code = board.memory(board.code_in)
    if code is None:
        raise InputError(f"board '{board.name}' runs code from '{board.code_in}', which is none of its memories")
    section = RAM_CODE if code is ram else TCM_CODE
    memories = (flash, ram) if code in (flash, ram) else (flash, code, ram)
    return _SCRIPT.format(
        title=board.title,
        name=board.name,
        memories="\n".join(map(_memory, memories)),
        headers="" if in_flash else _HEADERS,
        flash_header="" if in_flash else " :flash",
        data_header="" if in_flash else " :data",
        stack_header="" if in_flash else " :stack",
        boot="".join(_boot(board)),
        vectors=f" ORIGIN(flash) + 0x{board.boot.vectors:x}" if board.boot else "",
        vectors_symbol="__vectors = .; " if board.boot else "",
        text=_TEXT if in_flash else _RESET,
        code="" if in_flash else _CODE.format(section=section, memory=code.kind, alignment=32),
        stack_bytes=board.stack_bytes,
    )


def _memory(memory: Memory) -> str:
    access, origin, length = _ACCESS[memory.kind], memory.origin, memory.length
    return f"  {memory.kind} ({access}) : ORIGIN = 0x{origin:08x}, LENGTH = 0x{length:x}"


def _boot(board: Board) -> Iterator[str]:
    """What the boot ROM wants to find, each at its offset from the start of flash."""
    if board.boot is None:
        return
    header = "" if board.code_in == "flash" else " :flash"
    for section, offset in board.boot.sections.items():
        yield f"  {section} ORIGIN(flash) + 0x{offset:x} : {{ KEEP(*({section})) }} > flash{header}\n"
