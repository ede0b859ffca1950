/* SPDX-License-Identifier: Apache-2.0 */
/* Answers frames of one letter and pairs of 32-bit numbers, eight letters each, with what the operation of that letter makes of
 * each pair. */
#include <string.h>
#include <trn/math.h>
#include <trn/port.h>

enum { CAPACITY = 192, DIGITS = 8 };

static uint8_t rx[CAPACITY];
static uint8_t tx[CAPACITY] = {'R'};

static uint32_t number_at(const uint8_t *letters)
{
    uint32_t value = 0;
    for (uint8_t i = 0; i < DIGITS; i++) {
        value = value << 4 | (uint32_t)(letters[i] - 'A');
    }
    return value;
}

#define OPERATION(name, sign)                                                 \
    static __attribute__((noinline)) float name(float a, float b)            \
    {                                                                         \
        return a sign b;                                                      \
    }

OPERATION(sum, +)
OPERATION(difference, -)
OPERATION(product, *)
OPERATION(quotient, /)

static uint32_t relations(float a, float b)
{
    return (uint32_t)((a < b) | (a <= b) << 1 | (a == b) << 2 | (a > b) << 3 | (a >= b) << 4 | (a != b) << 5);
}

static uint32_t apply(uint8_t operation, uint32_t first, uint32_t second)
{
    const float a = trn_float_from_bits(first), b = trn_float_from_bits(second);
    switch (operation) {
    case '+': return trn_float_bits(sum(a, b));
    case '-': return trn_float_bits(difference(a, b));
    case '*': return trn_float_bits(product(a, b));
    case '/': return trn_float_bits(quotient(a, b));
    case '<': return relations(a, b);
    case 'i': return trn_float_bits((float)(int32_t)first);
    case 'f': return (uint32_t)(int32_t)a;
    case 's': return trn_float_bits(trn_sqrt(a));
    case 'e': return trn_float_bits(trn_exp_neg(a));
    case 'l': return trn_float_bits(trn_log(a));
    case 't': return trn_float_bits(trn_tanh(a));
    default: return trn_float_bits(trn_sigmoid(a));
    }
}

int main(void);
int main(void)
{
    uint32_t n_tx = 1;
    trn_port_init();
    for (;;) {
        trn_port_receive_start(rx, CAPACITY);
        trn_port_send(tx, n_tx);
        const uint32_t n = trn_port_receive_wait();
        n_tx = 0;
        for (uint32_t i = 1; i + 2 * DIGITS < n; i += 2 * DIGITS) {
            const uint32_t value = apply(rx[0], number_at(rx + i), number_at(rx + i + DIGITS));
            for (uint8_t k = 0; k < DIGITS; k++) {
                tx[n_tx++] = (uint8_t)('A' + (value >> (28 - 4 * k) & 15u));
            }
        }
    }
}
