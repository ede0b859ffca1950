# SPDX-License-Identifier: Apache-2.0
"""The ports with a UART that is read byte by byte, in their strict Unicorn models."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile
from port_guest import CAPACITY, READY, answer, frames, port_guest

from trainbed.backends.base import Budget
from trainbed.boards import load_board
from trainbed.toolchain import Firmware
from trainbed.toolchain.seal import boot_checksum

pytest.importorskip("unicorn", reason="the unicorn extra is not installed")

from trainbed.backends.failure import GuestStopped
from trainbed.backends.unicorn.config import machine_config
from trainbed.backends.unicorn.guest import UnicornGuest

BOARDS = ("teensy40", "raspberry_pi_pico", "stm32f746g_disco")
_BUSY = "for (volatile int32_t i = 0; i < 100000; i++) {}"
BUDGET = Budget(cycles=600_000_000, steps=600_000_000, wall_s=60.0)
FIFO = {"teensy40": 4, "raspberry_pi_pico": 32, "stm32f746g_disco": 1}


def opened(board: str, firmware: Firmware) -> UnicornGuest:
    """Not started."""
    return UnicornGuest(machine_config(load_board(board), firmware.image))


def started(board: str, firmware: Firmware) -> UnicornGuest:
    """The guest at its first wait, its greeting read."""
    guest = opened(board, firmware)
    guest.start()
    assert guest.exchange(b"", BUDGET) == READY
    return guest


@pytest.fixture(scope="module", params=BOARDS)
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Firmware]:
    """Board, and the guest that echoes frames."""
    return request.param, port_guest(load_board(request.param), tmp_path_factory.mktemp(request.param))


def test_frames_come_back_whole(port: tuple[str, Firmware]) -> None:
    guest = started(*port)
    for frame in frames()[::3]:
        assert guest.exchange(frame, BUDGET) == answer(frame)
    assert guest.lost_bytes() == 0


@pytest.mark.parametrize("pieces", [(1,) * 40, (39, 1), (3, 3, 3, 31)])
def test_a_frame_in_pieces_is_one_frame(port: tuple[str, Firmware], pieces: tuple[int, ...]) -> None:
    guest = started(*port)
    frame = b"\xff" * (sum(pieces) - 1) + b"\0"
    sent = 0
    for n in pieces[:-1]:
        assert guest.exchange(frame[sent : sent + n], BUDGET) == b""
        sent += n
    assert guest.exchange(frame[sent:], BUDGET) == answer(frame)


def test_bytes_beyond_the_credit_never_reach_the_buffer(port: tuple[str, Firmware]) -> None:
    guest = started(*port)
    assert guest.exchange(b"x" * (CAPACITY + 99), BUDGET) == answer(b"")
    assert guest.exchange(b"next\0", BUDGET) == answer(b"next\0")


@pytest.mark.parametrize("board", BOARDS)
def test_of_bytes_sent_to_a_busy_core_the_fifo_keeps_what_it_holds(board: str, tmp_path: Path) -> None:
    guest = started(board, port_guest(load_board(board), tmp_path, before_send=_BUSY))
    assert guest.exchange(b"abc\0" + b"z" * 99, BUDGET) == answer(b"abc\0")
    assert guest.lost_bytes() == 99 - FIFO[board]
    assert guest.exchange(b"next\0", BUDGET) == answer(b"next\0")


def test_bytes_behind_a_delimiter_are_dropped(port: tuple[str, Firmware]) -> None:
    guest = started(*port)
    assert guest.exchange(b"one\0two\0", BUDGET) == answer(b"one\0")
    assert guest.exchange(b"three\0", BUDGET) == answer(b"three\0")


def test_a_kept_guest_starts_again_as_new(port: tuple[str, Firmware]) -> None:
    guest = started(*port)
    guest.exchange(b"abc\0", BUDGET)
    first = (guest.cost().instructions, guest.cost().cycles, guest.stack_bytes())
    guest.start()
    assert guest.exchange(b"", BUDGET) == READY
    guest.exchange(b"abc\0", BUDGET)
    assert (guest.cost().instructions, guest.cost().cycles, guest.stack_bytes()) == first


def test_sending_takes_the_time_the_wire_takes(port: tuple[str, Firmware]) -> None:
    guest = started(*port)
    before = guest.cost().cycles
    guest.exchange(b"y" * 999 + b"\0", BUDGET)
    seconds = (guest.cost().cycles - before) / load_board(port[0]).clock_hz
    assert 2 * 0.01 < seconds < 2 * 0.01 * 1.1  # 1000 bytes there and 1004 back at 1 Mbaud


@pytest.mark.parametrize("board", BOARDS)
def test_a_store_to_nowhere_is_a_fault_with_its_function(board: str, tmp_path: Path) -> None:
    store = "*(volatile uint32_t *)(uintptr_t)0x90000000u = n;"
    guest = started(board, port_guest(load_board(board), tmp_path, before_send=store))
    with pytest.raises(GuestStopped) as stopped:
        guest.exchange(b"abc\0", BUDGET)
    failure = stopped.value.failure
    assert (failure.kind, failure.function) == ("write_unmapped", "main")
    assert "0x90000000" in failure.detail


@pytest.mark.parametrize("board", BOARDS)
def test_a_stack_that_runs_over_is_told_from_other_faults(board: str, tmp_path: Path) -> None:
    # The bound refuses such a frame at build time; the register is moved behind its back.
    deep = (
        '__asm__ volatile("mov r0, sp\\n\\tldr r1, =0x2000\\n\\tsub r0, r0, r1\\n\\tmov sp, r0\\n\\tpush {r4}"'
        ' ::: "r0", "r1");'
    )
    guest = started(board, port_guest(load_board(board), tmp_path, before_send=deep))
    with pytest.raises(GuestStopped) as stopped:
        guest.exchange(b"abc\0", BUDGET)
    assert stopped.value.failure.kind == "stack_overflow"


@pytest.mark.parametrize(("board", "register", "unit"), [
    ("stm32f746g_disco", "0x40012000", "ADC"), ("raspberry_pi_pico", "0x4003C000", "SPI0"),
    ("teensy40", "0x401B8000", "GPIO1"),
])  # fmt: skip
def test_a_peripheral_nobody_models_is_named(board: str, register: str, unit: str, tmp_path: Path) -> None:
    poke = f"tx[0] = (uint8_t)*(volatile uint32_t *)(uintptr_t){register}u;"
    guest = started(board, port_guest(load_board(board), tmp_path, before_send=poke))
    with pytest.raises(GuestStopped, match=f"belongs to {unit}, which is not modelled"):
        guest.exchange(b"abc\0", BUDGET)


@pytest.mark.parametrize(("board", "forget", "complaint"), [
    ("stm32f746g_disco", ("TRN_RCC_APB2ENR |= TRN_RCC_APB2ENR_USART1;", ""), "USART1: its clock is off"),
    ("stm32f746g_disco", ("TRN_FLASH_ACR = TRN", "TRN_PWR_CR1 = 0; TRN_FLASH_ACR = TRN"), "without overdrive"),
    ("stm32f746g_disco", ("TRN_RCC_CFGR = TRN", "TRN_FLASH_ACR = 5; TRN_RCC_CFGR = TRN"), "216 MHz with 5 wait states"),
    ("stm32f746g_disco", ("PLL_N = 432", "PLL_N = 400"), "at a core clock of 200000000 Hz"),
    ("stm32f746g_disco", ("TRN_USART1_BRR = TRN_USART1_BRR_VALUE", "TRN_USART1_BRR = 94"), "is set to 1148936 baud"),
    ("raspberry_pi_pico", ("| TRN_RESETS_UART0", ""), "UART0: it is held in reset"),
    ("raspberry_pi_pico", ("TRN_CLK_PERI_CTRL = TRN_CLK_PERI_ENABLE;", ""), "UART0: its clock is off"),
    ("raspberry_pi_pico", ("PLL_FEEDBACK = 125", "PLL_FEEDBACK = 40"), "PLL_SYS cannot run at 480 MHz"),
    ("teensy40", ("TRN_CCM_CCGR3 |= TRN_CCM_CCGR3_LPUART6;", ""), "LPUART6: its clock is off"),
    ("teensy40", ("| TRN_DCDC_REG3_1250_MV", "| 14u"), "600 MHz at 1.150 V"),
    ("teensy40", ("TRN_PLL_ARM_ENABLE | TRN_PLL_ARM_1200_MHZ", "TRN_PLL_ARM_ENABLE | 90u"), "clock of 540000000 Hz"),
])  # fmt: skip
def test_a_clock_that_was_forgotten_is_noticed(
    board: str, forget: tuple[str, str], complaint: str, tmp_path: Path
) -> None:
    old, new = forget
    load = load_board(board)
    port_guest(load, tmp_path)
    source = tmp_path / "firmware" / "port" / load.soc / "port.c"
    text = source.read_text()
    assert text.count(old) == 1
    source.write_text(text.replace(old, new))
    guest = opened(board, port_guest(load, tmp_path))
    with pytest.raises(GuestStopped, match=complaint):
        guest.start()


def test_flash_without_a_right_checksum_does_not_boot_on_the_rp2040(tmp_path: Path) -> None:
    firmware = port_guest(load_board("raspberry_pi_pico"), tmp_path)
    with firmware.image.elf.open("r+b") as stream:
        stage_2: Any = ELFFile(stream).get_section_by_name(".boot2")
        stream.seek(stage_2["sh_offset"])
        stream.write(b"\0")
    with pytest.raises(GuestStopped, match="the boot ROM refuses the flash: its second stage has CRC-32"):
        opened("raspberry_pi_pico", firmware).start()


def test_the_boot_checksum_is_the_one_of_the_data_sheet() -> None:
    # CRC-32/MPEG-2, whose check value over "123456789" is published.
    assert boot_checksum(b"123456789") == 0x0376E6E7


@pytest.mark.parametrize(("old", "new", "complaint"), [
    (".tag = 0x42464346u", ".tag = 0x42464347u", "no flash configuration block"),
    (".header = 0x432000D1u", ".header = 0x432000D2u", "no image vector table"),
    (".self = &trn_image_vectors,", ".self = &trn_flash_config,", "was made for 0x60000000"),
    (".plugin = 0", ".plugin = 1", "plugin 1"),
])  # fmt: skip
def test_flash_the_rom_of_the_teensy_does_not_know_does_not_boot(
    old: str, new: str, complaint: str, tmp_path: Path
) -> None:
    board = load_board("teensy40")
    port_guest(board, tmp_path)
    source = tmp_path / "firmware" / "port" / "imxrt1062" / "boot.c"
    text = source.read_text()
    assert text.count(old) == 1
    source.write_text(text.replace(old, new))
    with pytest.raises(GuestStopped, match=complaint):
        opened("teensy40", port_guest(board, tmp_path)).start()


def test_data_memory_the_start_up_did_not_ask_for_is_not_there(tmp_path: Path) -> None:
    board = load_board("teensy40")
    far = "*(volatile uint32_t *)(uintptr_t)0x20040000u = n;"
    assert started("teensy40", port_guest(board, tmp_path, before_send=far)).exchange(b"abc\0", BUDGET)
    header = tmp_path / "firmware" / "port" / "imxrt1062" / "soc.h"
    text = header.read_text()
    assert text.count("0xAAAAAAFF") == 1
    header.write_text(text.replace("0xAAAAAAFF", "0x5555AAFF"))
    with pytest.raises(GuestStopped, match="nothing lies at 0x20040000"):
        started("teensy40", port_guest(board, tmp_path, before_send=far)).exchange(b"abc\0", BUDGET)


def test_code_runs_from_ram_and_data_beside_it_does_not(tmp_path: Path) -> None:
    board = load_board("raspberry_pi_pico")
    firmware = port_guest(board, tmp_path)
    guest = started("raspberry_pi_pico", firmware)
    main = next(start for start, _, name in firmware.image.functions if name == "main")
    assert board.memory("ram").origin < main  # type: ignore[union-attr]
    assert struct.unpack("<H", guest.read_memory(main, 2)) != (0,)


def test_an_unaligned_word_is_a_fault_on_the_cortex_m0plus_alone(tmp_path: Path) -> None:
    load = '__asm__ volatile("b 1f\\n1:\\tldrh r0, [%0, #2]" :: "l"((uintptr_t)raw | 1u) : "r0");'
    guest = started("stm32f746g_disco", port_guest(load_board("stm32f746g_disco"), tmp_path / "m7", before_send=load))
    assert guest.exchange(b"abc\0", BUDGET)
    guest = started("raspberry_pi_pico", port_guest(load_board("raspberry_pi_pico"), tmp_path / "m0", before_send=load))
    with pytest.raises(GuestStopped) as stopped:
        guest.exchange(b"abc\0", BUDGET)
    assert stopped.value.failure.kind == "unaligned"
    assert "no multiple of 2" in stopped.value.failure.detail
