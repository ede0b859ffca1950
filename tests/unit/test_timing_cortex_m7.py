# SPDX-License-Identifier: Apache-2.0
"""The Cortex-M7 model: what issues beside what, and when results are there. Figures: jnk0le, pipeline cycle test."""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from trainbed.backends.timing import model_for

pytest.importorskip("capstone", reason="the unicorn extra is not installed")


def assemble(source: str) -> bytes:
    """Machine code of Thumb instructions."""
    with TemporaryDirectory() as folder:
        text, linked, raw = (Path(folder) / name for name in ("a.s", "a.o", "a.bin"))
        text.write_text(f".syntax unified\n.thumb\n.fpu fpv5-sp-d16\n{source}\n")
        subprocess.run(["arm-none-eabi-as", "-mcpu=cortex-m7", str(text), "-o", str(linked)], check=True)
        subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", str(linked), str(raw)], check=True)
        return raw.read_bytes()


def cycles(source: str) -> int:
    return model_for("cortex-m7").cost(assemble(source), 0x1000).core.cycles


@pytest.mark.parametrize(("source", "expected"), [
    ("add r0, r1, r2\nadd r3, r4, r5", 1),  # two simple operations issue together
    ("eors r0, r1\neors r0, r2", 2),  # the second needs the first in the same stage
    ("add r0, r1, r2\neor r3, r3, r0", 1),  # an early addition serves a late operation in the same cycle
    ("ldr r0, [r1]\nadd r2, r0, r3", 2),  # a word is there in the next cycle
    ("ldrb r0, [r1]\nadd r2, r0, r3", 3),  # a byte a cycle later
    ("ldr r0, [r1]\nldr r2, [r3]", 1),
    ("str r0, [r1]\nstr r2, [r3]", 2),  # one store a cycle
    ("ldr r0, [r1]\nstr r0, [r3]", 1),  # a store takes what was loaded beside it
    ("ldr r0, [r1]\nldr r2, [r0]", 3),  # addresses are needed early
    ("mul r0, r1, r2\nmul r3, r4, r5", 2),
    ("mla r0, r1, r2, r0\nmla r0, r3, r4, r0", 2),  # accumulators chain every cycle
    ("mul r0, r1, r2\nadd r3, r0, r4", 3),
    ("uxtb r0, r1\nuxtb r2, r3", 2),
    ("eor r0, r1, r2, ror #8\neor r3, r4, r5, ror #8", 2),  # one shifter
    ("push {r0-r3}", 2),
    ("vmul.f32 s0, s1, s2\nvadd.f32 s3, s4, s5", 2),  # one float operation a cycle
    ("vmul.f32 s0, s1, s2\nvldr s3, [r0]", 1),
    ("vmul.f32 s0, s1, s2\nvadd.f32 s3, s0, s5", 4),  # latency 3
    ("vfma.f32 s0, s1, s2\nvfma.f32 s0, s3, s4", 4),  # into the accumulator 3
    ("vfma.f32 s0, s1, s2\nvfma.f32 s3, s0, s4", 6),  # into a factor 5
    ("vfma.f32 s0, s1, s2\nvfma.f32 s3, s4, s5\nvfma.f32 s6, s7, s8\nvfma.f32 s0, s9, s10", 4),
    ("vfma.f32 s0, s1, s2\nvldr s3, [r0]", 2),  # never beside a load
    ("vfma.f32 s0, s1, s2\nvadd.f32 s3, s4, s5", 5),  # nor three cycles in front of an addition
    ("vdiv.f32 s0, s1, s2", 16),
    ("vsqrt.f32 s0, s1", 14),
])  # fmt: skip
def test_instructions_pair_and_wait_as_measured(source: str, expected: int) -> None:
    assert cycles(source) == expected


def test_a_conditional_branch_may_be_mispredicted_and_a_plain_one_cannot() -> None:
    conditional = model_for("cortex-m7").cost(assemble("cmp r0, r1\n1: bne 1b"), 0x1000).core
    early = model_for("cortex-m7").cost(assemble("cmp r0, r1\n" + "mul r2, r3, r4\n" * 4 + "1: bne 1b"), 0x1000).core
    plain = model_for("cortex-m7").cost(assemble("1: b 1b"), 0x1000).core
    indirect = model_for("cortex-m7").cost(assemble("bx lr"), 0x1000).core
    assert (conditional.mispredicted, early.mispredicted, plain.mispredicted) == (8, 6, 0)
    assert indirect.indirect and indirect.mispredicted == 8


def test_a_block_fills_the_slot_a_branch_left_free() -> None:
    model = model_for("cortex-m7")
    assert model.cost(assemble("eors r0, r1\neors r2, r3\n1: b 1b"), 0x1000).core.open_end
    assert not model.cost(assemble("eors r0, r1\n1: b 1b"), 0x1000).core.open_end
    assert model.cost(assemble("eors r0, r1\neors r2, r3\neors r4, r5"), 0x1000).core.joins
    assert not model.cost(assemble("eors r0, r1\neors r2, r3"), 0x1000).core.joins


@pytest.mark.parametrize(("core", "source", "cycles", "taken"), [
    ("cortex-m0plus", "1: b 1b", 1, 1), ("cortex-m0", "1: b 1b", 1, 2),
    ("cortex-m0plus", "bl 1f\n1:", 1, 2), ("cortex-m0", "bl 1f\n1:", 1, 3),
    ("cortex-m0plus", "ldr r0, [r1]\nldr r2, [r3]", 4, 0), ("cortex-m0plus", "ldm r0!, {r1, r2, r3}", 4, 0),
    ("cortex-m0plus", "muls r0, r1, r0", 1, 0), ("cortex-m0", "mrs r0, primask", 4, 0),
    ("cortex-m0plus", "pop {r4, pc}", 3, 1),
])  # fmt: skip
def test_the_small_cores_cost_what_their_manuals_say(core: str, source: str, cycles: int, taken: int) -> None:
    cost = model_for(core).cost(assemble(source), 0x1000).core
    assert (cost.cycles, cost.taken) == (cycles, taken)
