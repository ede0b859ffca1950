# SPDX-License-Identifier: Apache-2.0
"""Decodes one basic block of Thumb code into the facts a core model needs; shared by all Cortex-M models.

The decoder states what an instruction *is* (kind, registers, alignment), never what it costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import Any

_ALWAYS = (0, 15)  # capstone's "no condition" and "AL"
_NO_REGISTERS: frozenset[str] = frozenset()


class Kind(Enum):
    """What an instruction does to the pipeline."""

    ALU = auto()
    MULTIPLY = auto()
    DIVIDE = auto()
    LOAD = auto()  # one register, integer or float; LDR pc too
    STORE = auto()
    LOAD_MULTIPLE = auto()  # LDM, POP, LDRD, VLDM, VPOP, VLDR of a double
    STORE_MULTIPLE = auto()
    BRANCH = auto()  # target in the instruction: B, CBZ, BL
    BRANCH_INDIRECT = auto()  # target in a register: BX, BLX, MOV pc
    BRANCH_TABLE = auto()  # TBB, TBH
    FP_ALU = auto()  # VADD, VSUB, VMUL, VCVT, VABS, VNEG, VCMP, VMOV between float registers
    FP_MAC = auto()  # VMLA, VFMA and their kin
    FP_DIVIDE = auto()  # VDIV, VSQRT
    FP_MOVE = auto()  # between integer and float registers, one or two words
    IT = auto()
    NOP = auto()
    SYSTEM = auto()  # MRS, MSR, CPS
    BARRIER = auto()  # DSB, DMB, ISB, WFI, WFE
    EXCEPTION = auto()  # SVC, BKPT, UDF


FLOAT_KINDS = frozenset({Kind.FP_ALU, Kind.FP_MAC, Kind.FP_DIVIDE, Kind.FP_MOVE})


@dataclass(frozen=True)
class Instruction:
    """One Thumb instruction, as far as timing is concerned.

    ``address`` and ``size`` in bytes. ``reads`` and ``writes`` hold register names ("r0", "sp", "s3", "d1" as "s2" and
    "s3"). ``base`` and ``index`` are the address registers of a memory access; ``words`` counts the words it moves.
    """

    address: int
    size: int
    mnemonic: str
    kind: Kind
    reads: frozenset[str] = _NO_REGISTERS
    writes: frozenset[str] = _NO_REGISTERS
    base: str = ""
    index: str = ""
    words: int = 0
    accumulator: str = ""
    is_float: bool = False
    is_signed: bool = False
    writeback: bool = False
    conditional: bool = False
    shifted: str = ""
    """Register that is shifted or rotated on its way in."""
    sets_flags: bool = False
    links: bool = False

    @property
    def wide(self) -> bool:
        """A 32-bit encoding."""
        return self.size == 4

    @property
    def unaligned(self) -> bool:
        """A 32-bit encoding that straddles two words of code."""
        return self.size == 4 and self.address % 4 != 0

    @property
    def literal(self) -> bool:
        """A load from the literal pool."""
        return self.base == "pc"

    @property
    def address_registers(self) -> frozenset[str]:
        """Registers a memory access computes its address from, pc left out."""
        return frozenset(name for name in (self.base, self.index) if name and name != "pc")

    @property
    def leaves(self) -> bool:
        """Can change the flow of control."""
        return "pc" in self.writes or self.kind in (Kind.BRANCH, Kind.BRANCH_INDIRECT, Kind.BRANCH_TABLE)


_EXACT: dict[str, Kind] = {
    "it": Kind.IT,
    "b": Kind.BRANCH,
    "bl": Kind.BRANCH,
    "cbz": Kind.BRANCH,
    "cbnz": Kind.BRANCH,
    "bx": Kind.BRANCH_INDIRECT,
    "blx": Kind.BRANCH_INDIRECT,
    "tbb": Kind.BRANCH_TABLE,
    "tbh": Kind.BRANCH_TABLE,
    "sdiv": Kind.DIVIDE,
    "udiv": Kind.DIVIDE,
    "push": Kind.STORE_MULTIPLE,
    "pop": Kind.LOAD_MULTIPLE,
    "ldrd": Kind.LOAD_MULTIPLE,
    "strd": Kind.STORE_MULTIPLE,
    "vpush": Kind.STORE_MULTIPLE,
    "vpop": Kind.LOAD_MULTIPLE,
    "vldr": Kind.LOAD,
    "vstr": Kind.STORE,
    "vdiv": Kind.FP_DIVIDE,
    "vsqrt": Kind.FP_DIVIDE,
    "nop": Kind.NOP,
    "mrs": Kind.SYSTEM,
    "msr": Kind.SYSTEM,
    "cps": Kind.SYSTEM,
    "dsb": Kind.BARRIER,
    "dmb": Kind.BARRIER,
    "isb": Kind.BARRIER,
    "wfi": Kind.BARRIER,
    "wfe": Kind.BARRIER,
    "svc": Kind.EXCEPTION,
    "bkpt": Kind.EXCEPTION,
    "udf": Kind.EXCEPTION,
}
_PREFIXES: tuple[tuple[str, Kind], ...] = (
    ("vldm", Kind.LOAD_MULTIPLE),
    ("vstm", Kind.STORE_MULTIPLE),
    ("ldm", Kind.LOAD_MULTIPLE),
    ("stm", Kind.STORE_MULTIPLE),
    ("ldr", Kind.LOAD),
    ("str", Kind.STORE),
    ("vmla", Kind.FP_MAC),
    ("vmls", Kind.FP_MAC),
    ("vnmla", Kind.FP_MAC),
    ("vnmls", Kind.FP_MAC),
    ("vfma", Kind.FP_MAC),
    ("vfms", Kind.FP_MAC),
    ("vfnma", Kind.FP_MAC),
    ("vfnms", Kind.FP_MAC),
    ("vmrs", Kind.FP_MOVE),
    ("vmsr", Kind.FP_MOVE),
    ("v", Kind.FP_ALU),
    ("cps", Kind.SYSTEM),
    ("mul", Kind.MULTIPLY),
    ("mla", Kind.MULTIPLY),
    ("mls", Kind.MULTIPLY),
    ("smul", Kind.MULTIPLY),
    ("smla", Kind.MULTIPLY),
    ("smls", Kind.MULTIPLY),
    ("smmul", Kind.MULTIPLY),
    ("smmla", Kind.MULTIPLY),
    ("smmls", Kind.MULTIPLY),
    ("smua", Kind.MULTIPLY),
    ("smus", Kind.MULTIPLY),
    ("umul", Kind.MULTIPLY),
    ("umla", Kind.MULTIPLY),
    ("umaal", Kind.MULTIPLY),
)
_INTEGER = frozenset(["sb", "sl", "fp", "ip", "sp", "lr", "pc", *(f"r{i}" for i in range(16))])
_MEMORY = frozenset({Kind.LOAD, Kind.STORE, Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE, Kind.BRANCH_TABLE})
_LOADS = frozenset({Kind.LOAD, Kind.LOAD_MULTIPLE})
_STORES = frozenset({Kind.STORE, Kind.STORE_MULTIPLE})


@lru_cache(maxsize=1)
def _disassembler() -> Any:
    # capstone takes 0.1 s to import: a run whose blocks are all cached on disk must not pay for it.
    import capstone  # type: ignore[import-untyped,unused-ignore]

    disassembler = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    disassembler.detail = True
    disassembler.skipdata = True
    return disassembler


@lru_cache(maxsize=4096)
def _kind_of(mnemonic: str) -> Kind:
    if mnemonic in _EXACT:
        return _EXACT[mnemonic]
    return next((kind for prefix, kind in _PREFIXES if mnemonic.startswith(prefix)), Kind.ALU)


def _mnemonic_of(insn: Any) -> str:
    """The name without condition, width and data type: "addeq.w" -> "add", "vmul.f32" -> "vmul"."""
    text = str(insn.mnemonic)
    if text in ("nop", "nop.w", "wfi", "wfe", "sev", "yield"):
        return text.removesuffix(".w")
    if text.startswith("v"):
        name = text.split(".")[0]
        if insn.cc not in _ALWAYS:
            name = name[:-2]
        return name
    name = insn.insn_name()
    return str(name) if name else text


def _split(name: str) -> tuple[str, ...]:
    """Double registers as the two single ones they are made of."""
    if name.startswith("d") and name[1:].isdigit():
        number = int(name[1:])
        return (f"s{2 * number}", f"s{2 * number + 1}")
    return (name,)


def _names(insn: Any, registers: Sequence[int]) -> list[str]:
    return [name for register in registers for name in _split(str(insn.reg_name(register)))]


def _decode(insn: Any) -> Instruction:
    mnemonic = _mnemonic_of(insn)
    kind = _kind_of(mnemonic)
    if insn.id == 0:  # skipped data
        return Instruction(insn.address, insn.size, str(insn.mnemonic), Kind.ALU)
    is_float = mnemonic.startswith("v")
    operands = insn.operands
    registers = _names(insn, [op.reg for op in operands if op.type == 1])
    conditional = insn.cc not in _ALWAYS or mnemonic in ("cbz", "cbnz")
    base = index = ""
    words = 0
    for op in operands:
        if op.type == 3:
            base = str(insn.reg_name(op.mem.base)) if op.mem.base else ""
            index = str(insn.reg_name(op.mem.index)) if op.mem.index else ""
    if kind in _MEMORY:
        moved = registers
        if mnemonic in ("push", "pop", "vpush", "vpop"):
            base = "sp"
        elif not base and registers:  # LDM and its kin name the base first
            base, moved = registers[0], registers[1:]
        words = max(1, len(moved))
        writeback = bool(insn.writeback) or mnemonic in ("push", "pop", "vpush", "vpop")
        addresses = {name for name in (base, index) if name}
        if kind in _LOADS:
            reads, writes = set(addresses), set(moved)
        elif kind in _STORES:
            reads, writes = addresses | set(moved), set()
            if mnemonic.startswith("strex"):
                reads, writes = addresses | set(moved[1:]), set(moved[:1])
        else:
            reads, writes = addresses, {"pc"}
        if writeback:
            writes.add(base)
        if kind is Kind.LOAD and words == 2:  # VLDR of a double
            kind = Kind.LOAD_MULTIPLE
        elif kind is Kind.STORE and words == 2 and is_float:
            kind = Kind.STORE_MULTIPLE
    else:
        writeback = False
        if is_float and kind is not Kind.FP_MOVE:
            compares = mnemonic.startswith("vcmp")
            sources = registers if compares or kind is Kind.FP_MAC else registers[1:]
            reads, writes = set(sources), set() if compares else set(registers[:1])
            if mnemonic == "vmov" and _INTEGER.intersection(registers):
                kind = Kind.FP_MOVE
                half = len(registers) // 2
                reads, writes = set(registers[half:]), set(registers[:half])
                words = half
        else:
            read, written = insn.regs_access()
            reads, writes = set(_names(insn, read)), set(_names(insn, written))
            if mnemonic in ("ssat", "usat", "ssat16", "usat16", "pkhbt", "pkhtb"):
                reads.update(registers[1:])  # capstone 5 leaves the shifted operand out
            words = 1 if kind is Kind.FP_MOVE else 0
            reads.discard("pc")
            if kind in (Kind.BRANCH, Kind.BRANCH_INDIRECT):
                writes.add("pc")
    return Instruction(
        address=insn.address,
        size=insn.size,
        mnemonic=mnemonic,
        kind=kind,
        reads=frozenset(reads),
        writes=frozenset(writes),
        base=base,
        index=index,
        words=words,
        accumulator=_accumulator(kind, mnemonic, registers),
        is_float=is_float,
        is_signed=mnemonic == "sdiv",
        writeback=writeback,
        conditional=conditional,
        shifted=_shifted(insn, kind),
        sets_flags=bool(insn.update_flags),
        links=mnemonic in ("bl", "blx"),
    )


_LONG_MACS = ("smlal", "umlal", "umaal", "smlsld")


def _accumulator(kind: Kind, mnemonic: str, registers: Sequence[str]) -> str:
    """What a multiply-accumulate adds to: its destination, or the fourth operand of MLA, SMLAD and their kin."""
    if not registers or kind not in (Kind.FP_MAC, Kind.MULTIPLY):
        return ""
    if kind is Kind.FP_MAC or mnemonic.startswith(_LONG_MACS):
        return registers[0]
    is_short = len(registers) == 4 and not mnemonic.startswith(("smull", "umull"))
    return registers[3] if is_short else ""


def _shifted(insn: Any, kind: Kind) -> str:
    """The operand of data processing that passes the shifter."""
    if kind is not Kind.ALU:
        return ""
    return next((str(insn.reg_name(op.reg)) for op in insn.operands if op.type == 1 and op.shift.type), "")


def decode_block(code: bytes, address: int) -> tuple[Instruction, ...]:
    """Decodes ``code``, which starts at ``address`` (bit 0 clear) and holds whole instructions.

    Half-words no Cortex-M executes come back as one-cycle ALU instructions: the guest faults there anyway.
    """
    return tuple(_decode(insn) for insn in _disassembler().disasm(code, address))


_CONTEXT = 6  # instructions; no rule looks further back


def decode_backwards(code: bytes, end: int) -> tuple[Instruction, ...]:
    """The last few instructions of ``code``, which ends at ``end``; () where nothing decodes up to there.

    Thumb code can only be decoded forwards; a wrong start falls into step within a few instructions, so the longest
    start that arrives at ``end`` is taken. Float divisions are left out together with what stands before them: the
    block hook carries their time from block to block.
    """
    for skipped in range(0, len(code), 2):
        block = decode_block(code[skipped:], end - len(code) + skipped)
        if block and block[-1].address + block[-1].size == end and not block[-1].leaves:
            tail = block[-_CONTEXT:]
            divisions = [position for position, this in enumerate(tail) if this.kind is Kind.FP_DIVIDE]
            return tail[divisions[-1] + 1 :] if divisions else tail
    return ()
