/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The four functions GCC may call on its own. Ours, not the C library's: their stack use is then part of the bound, their
 * cost does not change with the library's version, and they go word by word where newlib-nano goes byte by byte.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Words that may overlap any other type. */
typedef uint32_t __attribute__((may_alias)) trn_word_t;

/* Without this GCC would recognise each loop and replace it with a call to the function it is in. */
#define TRN_PLAIN_LOOPS __attribute__((optimize("no-tree-loop-distribute-patterns")))

static inline int word_aligned(const void *a, const void *b)
{
    return ((((uintptr_t)a) | ((uintptr_t)b)) & 3u) == 0;
}

TRN_PLAIN_LOOPS void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    uint8_t *d = to;
    const uint8_t *s = from;
    if (word_aligned(d, s)) {
        trn_word_t *dw = to;
        const trn_word_t *sw = from;
        for (; n >= 16; n -= 16, dw += 4, sw += 4) {
            const trn_word_t a = sw[0], b = sw[1], c = sw[2], e = sw[3];
            dw[0] = a;
            dw[1] = b;
            dw[2] = c;
            dw[3] = e;
        }
        for (; n >= 4; n -= 4) {
            *dw++ = *sw++;
        }
        d = (uint8_t *)dw;
        s = (const uint8_t *)sw;
    }
    while (n-- > 0) {
        *d++ = *s++;
    }
    return to;
}

TRN_PLAIN_LOOPS void *memmove(void *to, const void *from, size_t n)
{
    if ((uintptr_t)to - (uintptr_t)from >= n) {
        return memcpy(to, from, n);
    }
    uint8_t *d = (uint8_t *)to + n;
    const uint8_t *s = (const uint8_t *)from + n;
    while (n-- > 0) {
        *--d = *--s;
    }
    return to;
}

TRN_PLAIN_LOOPS void *memset(void *to, int value, size_t n)
{
    uint8_t *d = to;
    const uint8_t byte = (uint8_t)value;
    for (; n > 0 && !word_aligned(d, d); n--) {
        *d++ = byte;
    }
    const trn_word_t word = byte * 0x01010101u;
    trn_word_t *dw = (trn_word_t *)(void *)d;
    for (; n >= 16; n -= 16, dw += 4) {
        dw[0] = word;
        dw[1] = word;
        dw[2] = word;
        dw[3] = word;
    }
    for (; n >= 4; n -= 4) {
        *dw++ = word;
    }
    d = (uint8_t *)dw;
    while (n-- > 0) {
        *d++ = byte;
    }
    return to;
}

TRN_PLAIN_LOOPS int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *p = a;
    const uint8_t *q = b;
    for (; n > 0; n--, p++, q++) {
        if (*p != *q) {
            return *p < *q ? -1 : 1;
        }
    }
    return 0;
}
