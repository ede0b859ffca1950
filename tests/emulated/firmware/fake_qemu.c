/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As much of QEMU as its plugin touches while it is loaded and while a block is translated, in one interface or another:
 * -DINTERFACE=1, 2 or 4. The host's test loads it before the plugin.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef void (*tb_translated_t)(uint64_t id, void *tb);
typedef void (*executed_t)(unsigned int cpu, void *user);

static tb_translated_t translated;
static int n_executed, n_sleeps;
static const uint8_t *code;
static size_t n_code;

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, tb_translated_t callback)
{
    (void)id;
    translated = callback;
}

void qemu_plugin_register_vcpu_tb_exec_cb(void *tb, executed_t callback, int flags, void *user)
{
    (void)tb, (void)callback, (void)flags, (void)user;
    n_executed++;
}

void qemu_plugin_register_vcpu_insn_exec_cb(void *insn, executed_t callback, int flags, void *user)
{
    (void)insn, (void)callback, (void)flags, (void)user;
    n_sleeps++;
}

size_t qemu_plugin_tb_n_insns(const void *tb)
{
    (void)tb;
    return 1;
}

uint64_t qemu_plugin_tb_vaddr(const void *tb)
{
    (void)tb;
    return 0x1000;
}

void *qemu_plugin_tb_get_insn(const void *tb, size_t i)
{
    (void)tb, (void)i;
    return &code;
}

size_t qemu_plugin_insn_size(const void *insn)
{
    (void)insn;
    return n_code;
}

uint64_t qemu_plugin_insn_vaddr(const void *insn)
{
    (void)insn;
    return 0x1000;
}

#if INTERFACE >= 3
size_t qemu_plugin_insn_data(const void *insn, void *to, size_t n_bytes)
{
    (void)insn;
    const size_t n = n_bytes < n_code ? n_bytes : n_code;
    memcpy(to, code, n);
    return n;
}
#else
const void *qemu_plugin_insn_data(const void *insn)
{
    (void)insn;
    return code;
}
#endif

#if INTERFACE >= 2
void *qemu_plugin_scoreboard_new(size_t element_size)
{
    (void)element_size;
    return NULL;
}
#endif

/* What the plugin registers for a block of one instruction: 1 for its execution, 2 more if it sleeps there. */
int translate(const uint8_t *bytes, size_t n_bytes)
{
    code = bytes, n_code = n_bytes;
    n_executed = n_sleeps = 0;
    translated(1, NULL);
    return n_executed + 2 * n_sleeps;
}
