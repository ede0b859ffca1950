/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRC-32 of IEEE 802.3 (reflected polynomial 0xEDB88320), by tables: four bytes a step on 32-bit cores,
 * a nibble on AVR.
 * Slicing by tables: M. Kounavis, F. Berry, "Novel table lookup-based algorithms for high-performance CRC generation".
 */
#include "trn/frame.h"

#include <string.h>

#if defined(__AVR__)

static const __flash uint32_t nibble_table[16] = {
    0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu,
    0x76dc4190u, 0x6b6b51f4u, 0x4db26158u, 0x5005713cu,
    0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu,
    0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu,
};

uint32_t trn_crc32(uint32_t crc, const uint8_t *bytes, uint32_t n_bytes)
{
    crc = ~crc;
    for (uint32_t i = 0; i < n_bytes; i++) {
        crc ^= bytes[i];
        crc = (crc >> 4) ^ nibble_table[crc & 15u];
        crc = (crc >> 4) ^ nibble_table[crc & 15u];
    }
    return ~crc;
}

#else

/*
 * A CRC is linear over XOR: a table follows from the entries of its eight powers of two, so the preprocessor builds the
 * four tables (4 KiB of flash) from 32 numbers. table[s][b]: the CRC of byte b followed by s zero bytes.
 */
#define BIT(b, k, entry) ((((b) >> (k)) & 1u) != 0u ? (entry) : 0u)
#define LINEAR(b, e0, e1, e2, e3, e4, e5, e6, e7)                                                                      \
    (BIT(b, 0, e0) ^ BIT(b, 1, e1) ^ BIT(b, 2, e2) ^ BIT(b, 3, e3) ^ BIT(b, 4, e4) ^ BIT(b, 5, e5) ^ BIT(b, 6, e6) ^   \
     BIT(b, 7, e7))
#define SLICE_0(b) \
    LINEAR(b, 0x77073096u, 0xee0e612cu, 0x076dc419u, 0x0edb8832u, \
           0x1db71064u, 0x3b6e20c8u, 0x76dc4190u, 0xedb88320u)
#define SLICE_1(b) \
    LINEAR(b, 0x191b3141u, 0x32366282u, 0x646cc504u, 0xc8d98a08u, \
           0x4ac21251u, 0x958424a2u, 0xf0794f05u, 0x3b83984bu)
#define SLICE_2(b) \
    LINEAR(b, 0x01c26a37u, 0x0384d46eu, 0x0709a8dcu, 0x0e1351b8u, \
           0x1c26a370u, 0x384d46e0u, 0x709a8dc0u, 0xe1351b80u)
#define SLICE_3(b) \
    LINEAR(b, 0xb8bc6765u, 0xaa09c88bu, 0x8f629757u, 0xc5b428efu, \
           0x5019579fu, 0xa032af3eu, 0x9b14583du, 0xed59b63bu)
#define ROW_4(slice, b) slice(b), slice((b) + 1u), slice((b) + 2u), slice((b) + 3u)
#define ROW_16(slice, b) ROW_4(slice, b), ROW_4(slice, (b) + 4u), ROW_4(slice, (b) + 8u), ROW_4(slice, (b) + 12u)
#define ROW_64(slice, b) ROW_16(slice, b), ROW_16(slice, (b) + 16u), ROW_16(slice, (b) + 32u), ROW_16(slice, (b) + 48u)
#define TABLE(slice) ROW_64(slice, 0u), ROW_64(slice, 64u), ROW_64(slice, 128u), ROW_64(slice, 192u)

static const uint32_t table[4][256] = {
    {TABLE(SLICE_0)},
    {TABLE(SLICE_1)},
    {TABLE(SLICE_2)},
    {TABLE(SLICE_3)},
};

static uint32_t step_byte(uint32_t crc, uint8_t byte)
{
    return (crc >> 8) ^ table[0][(crc ^ byte) & 0xffu];
}

uint32_t trn_crc32(uint32_t crc, const uint8_t *bytes, uint32_t n_bytes)
{
    crc = ~crc;
    while (n_bytes > 0u && ((uintptr_t)bytes & 3u) != 0u) {
        crc = step_byte(crc, *bytes++);
        n_bytes--;
    }
    for (; n_bytes >= 4u; n_bytes -= 4u, bytes += 4) {
        uint32_t word;
        /* told to be aligned, or a core without unaligned loads would assemble the word from bytes */
        memcpy(&word, __builtin_assume_aligned(bytes, 4), sizeof word);
        crc ^= word;
        crc = table[3][crc & 0xffu] ^ table[2][(crc >> 8) & 0xffu] ^ table[1][(crc >> 16) & 0xffu] ^
              table[0][crc >> 24];
    }
    while (n_bytes > 0u) {
        crc = step_byte(crc, *bytes++);
        n_bytes--;
    }
    return ~crc;
}

#endif
