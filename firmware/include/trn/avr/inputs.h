/* SPDX-License-Identifier: Apache-2.0 */
/* A dense layer's inputs on AVR: which are not zero, and their sum. */
#ifndef TRN_AVR_INPUTS_H
#define TRN_AVR_INPUTS_H

#include "trn/avr/kernel.h"

/* trn_pow2_list(): the end of the list. Eight cycles for an input that is zero, eleven for one that is not. gap: four times the zeros met; the
 * 64th makes it 0, so a pair of 63 left out and a zero is due. */
TRN_AVR_KERNEL uint8_t *trn_avr_list(const uint8_t *x, uint8_t *list, uint16_t n)
{
    uint8_t gap = 0, v, single = (uint8_t)(n & 3u);
    uint16_t turns = n >> 2;
#define TRN_AVR_LIST_INPUT                                                                       \
    "ld %[v], X+\n\ttst %[v]\n\tbrne 91f\n\tsubi %[gap], -4\n\tbrne 92f\n\tldi %[gap], 252\n" \
    "91:\n\tst Z+, %[gap]\n\tst Z+, %[v]\n\tclr %[gap]\n92:\n\t"
    __asm__ volatile("tst %[single]\n\tbreq 2f\n"
                     "1:\n\t" TRN_AVR_LIST_INPUT "dec %[single]\n\tbrne 1b\n"
                     "2:\n\tsbiw %[turns], 0\n\tbreq 4f\n"
                     "3:\n\t" TRN_AVR_LIST_INPUT TRN_AVR_LIST_INPUT TRN_AVR_LIST_INPUT TRN_AVR_LIST_INPUT "sbiw %[turns], 1\n\tbrne 3b\n"
                     "4:"
                     : "+x"(x), "+z"(list), [turns] "+w"(turns), [single] "+r"(single), [gap] "+d"(gap), [v] "=&r"(v)
                     :
                     : "memory");
#undef TRN_AVR_LIST_INPUT
    return list;
}

/* Sum of n codes, at most 256. pairs: of a list's inputs; raised: code + 128. Literals. */
TRN_KERNEL uint16_t trn_avr_total(const uint8_t *x, trn_size_t n, bool pairs, bool raised)
{
    uint16_t sum = 0;
    uint8_t turns = (uint8_t)(n >> 2), single = (uint8_t)(n & 3), v;
#define TRN_AVR_TOTAL_INPUT                                                                                                        \
    ".if %[pairs]\n\tld %[v], X+\n\t.endif\n\tld %[v], X+\n\t.if %[raised]\n\tsubi %[v], 0x80\n\t.endif\n\t"            \
    "add %A[sum], %[v]\n\tadc %B[sum], r1\n\t"
    __asm__ volatile("tst %[single]\n\tbreq 2f\n"
                     "1:\n\t" TRN_AVR_TOTAL_INPUT "dec %[single]\n\tbrne 1b\n"
                     "2:\n\ttst %[turns]\n\tbreq 4f\n"
                     "3:\n\t" TRN_AVR_TOTAL_INPUT TRN_AVR_TOTAL_INPUT TRN_AVR_TOTAL_INPUT TRN_AVR_TOTAL_INPUT "dec %[turns]\n\tbrne 3b\n"
                     "4:"
                     : [sum] "+r"(sum), "+x"(x), [turns] "+r"(turns), [single] "+r"(single), [v] "=&d"(v)
                     : [pairs] "n"(pairs), [raised] "n"(raised)
                     : "memory");
#undef TRN_AVR_TOTAL_INPUT
    return sum;
}

#endif
