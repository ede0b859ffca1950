/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOOPBACK_H
#define LOOPBACK_H

#include <stdint.h>

#define STUB_MAX_RECORDS 200000

enum { STUB_BEGIN, STUB_TRAIN, STUB_END, STUB_DISCARD };

typedef struct {
    uint32_t kind;
    float value;
} stub_record_t;

extern stub_record_t stub_records[STUB_MAX_RECORDS];
extern uint32_t stub_n_records;

#endif
