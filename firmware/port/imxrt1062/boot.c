/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the boot ROM of an i.MX RT1062 wants to find in serial flash: how to read it, and where the firmware begins.
 * Source: i.MX RT1060 Reference Manual (IMXRT1060RM), 9.6.3 FlexSPI boot and 9.7 image format.
 */
#include <stddef.h>
#include <stdint.h>

#include "soc.h"

#define FLASH_START 0x60000000u
#define FLASH_BYTES 0x00200000u

/* Instructions of the FlexSPI: code, number of pads (1 << pads), operand. Two make a word. */
#define INSTRUCTION(code, pads, operand) ((uint32_t)(code) << 10 | (uint32_t)(pads) << 8 | (uint32_t)(operand))
#define PAIR(first, second) ((first) | (second) << 16)
#define COMMAND 0x01u
#define ADDRESS 0x02u
#define READ 0x09u
#define DUMMY 0x0Cu

/* Flash configuration block; fields that stay 0 are named by their gaps. */
typedef struct {
    uint32_t tag;     /* "FCFB" */
    uint32_t version; /* 'V', 1.0.0 */
    uint32_t reserved_08;
    uint8_t read_sample_clock; /* 1: looped back from the pad */
    uint8_t select_hold, select_setup;
    uint8_t column_width;
    uint32_t reserved_10[13];
    uint8_t device_type; /* 1: serial NOR */
    uint8_t data_pads;
    uint8_t clock; /* 7: 120 MHz */
    uint8_t own_sequences;
    uint32_t reserved_48[2];
    uint32_t flash_bytes;
    uint32_t reserved_54[11];
    uint32_t sequences[64];
    uint32_t reserved_180[16];
    uint32_t page_bytes, sector_bytes;
    uint32_t reserved_1c8[14];
} trn_flash_config_t;

_Static_assert(offsetof(trn_flash_config_t, device_type) == 0x44, "as the reference manual has it");
_Static_assert(offsetof(trn_flash_config_t, flash_bytes) == 0x50, "as the reference manual has it");
_Static_assert(offsetof(trn_flash_config_t, sequences) == 0x80, "as the reference manual has it");
_Static_assert(sizeof(trn_flash_config_t) == 512, "as the reference manual has it");

extern const trn_flash_config_t trn_flash_config;
const trn_flash_config_t trn_flash_config __attribute__((section(".boot_flash"), used)) = {
    .tag = 0x42464346u,
    .version = 0x56010000u,
    .read_sample_clock = 1,
    .select_hold = 3,
    .select_setup = 3,
    .device_type = 1,
    .data_pads = 4,
    .clock = 7,
    .flash_bytes = FLASH_BYTES,
    /* Fast read with address and data on four lines; the six dummy cycles hold the mode byte. */
    .sequences = {PAIR(INSTRUCTION(COMMAND, 0, 0xEB), INSTRUCTION(ADDRESS, 2, 24)),
                  PAIR(INSTRUCTION(DUMMY, 2, 6), INSTRUCTION(READ, 2, 4))},
    .page_bytes = 256,
    .sector_bytes = 4096,
};

typedef struct {
    uint32_t start, n_bytes, plugin;
} trn_boot_data_t;

/* Image vector table, and behind it the boot data it points to. */
typedef struct {
    uint32_t header; /* tag 0xD1, 32 bytes, version 4.3 */
    const uint32_t *entry;
    uint32_t reserved;
    uint32_t device_configuration;
    const trn_boot_data_t *boot_data;
    const void *self;
    uint32_t signature, reserved_too;
    trn_boot_data_t data;
} trn_image_vectors_t;

extern const uint32_t __vectors[];
extern const trn_image_vectors_t trn_image_vectors;
const trn_image_vectors_t trn_image_vectors __attribute__((section(".boot_image"), used)) = {
    .header = 0x432000D1u,
    .entry = __vectors,
    .boot_data = &trn_image_vectors.data,
    .self = &trn_image_vectors,
    .data = {.start = FLASH_START, .n_bytes = FLASH_BYTES, .plugin = 0},
};
