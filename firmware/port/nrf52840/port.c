/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nRF52840: one UARTE with EasyDMA in both directions, asleep while there is nothing to do.
 *
 * The instruction cache (NVMC ICACHECNF) is switched on, as the Arduino core does: the published measurements that the flash
 * term of the cycle model was fitted on were taken that way.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <trn/port.h>

#include "soc.h"

enum {
    PIN_TX = 3,  /* P1.03, Arduino Nano 33 BLE pin TX */
    PIN_RX = 10, /* P1.10, Arduino Nano 33 BLE pin RX */
    POLLS_CRYSTAL = 20000, /* more than 1 ms of 16 MHz bus reads; the crystal needs 0.4 ms */
    POLLS_RECEIVER_STOP = 2000 /* more than the four byte times the receiver takes at 115200 baud */
};

/* Words that may overlap the byte buffer. */
typedef volatile uint32_t __attribute__((may_alias)) trn_rx_word_t;

static struct {
    volatile uint8_t *buffer;
    uint32_t capacity;
    uint32_t scanned; /* no delimiter before this index */
    bool stopping;    /* STOPRX was triggered, RXTO not yet awaited */
} receiver;

static void start_crystal(void)
{
    /* The internal oscillator drifts by more than a UART at 1 Mbaud forgives. */
    TRN_CLOCK_EVENTS_HFCLKSTARTED = 0;
    TRN_CLOCK_TASKS_HFCLKSTART = 1;
    for (uint32_t i = 0; i < POLLS_CRYSTAL && TRN_CLOCK_EVENTS_HFCLKSTARTED == 0; i++) {
    }
}

static void start_uart(void)
{
    TRN_P1_OUTSET = 1u << PIN_TX; /* idle level first, then output: no glitch that reads as a start bit */
    TRN_P1_DIRSET = 1u << PIN_TX;
    TRN_P1_PIN_CNF(PIN_RX) = TRN_PIN_CNF_INPUT_PULLUP;

    TRN_UARTE0_ENABLE = 0;
    TRN_UARTE0_PSEL_TXD = TRN_PSEL(1, PIN_TX);
    TRN_UARTE0_PSEL_RXD = TRN_PSEL(1, PIN_RX);
    TRN_UARTE0_PSEL_RTS = TRN_PSEL_DISCONNECTED;
    TRN_UARTE0_PSEL_CTS = TRN_PSEL_DISCONNECTED;
    TRN_UARTE0_BAUDRATE = TRN_UARTE0_BAUDRATE_VALUE;
    TRN_UARTE0_CONFIG = 0; /* 8 data bits, no parity, one stop bit, no hardware flow control */
    TRN_UARTE0_ENABLE = 8;
    TRN_UARTE0_INTENSET = TRN_UARTE0_INT_RXDRDY | TRN_UARTE0_INT_ENDRX | TRN_UARTE0_INT_ENDTX;
    trn_cortexm_enable_wakeup(TRN_UARTE0_IRQ);
}

void trn_port_init(void)
{
    TRN_NVMC_ICACHECNF = TRN_NVMC_ICACHECNF_CACHEEN;
    start_crystal();
    start_uart();
    trn_cortexm_start_cycle_counter();
}

void trn_port_receive_start(volatile uint8_t *buffer, uint32_t capacity)
{
    if (capacity == 0 || capacity > TRN_UARTE0_MAXCNT_LIMIT) {
        trn_fault_port();
    }
    if (receiver.stopping) {
        /* Long over, as a rule: the frame was worked on in the meantime. */
        for (uint32_t i = 0; i < POLLS_RECEIVER_STOP && TRN_UARTE0_EVENTS_RXTO == 0; i++) {
        }
        TRN_UARTE0_EVENTS_RXTO = 0;
        receiver.stopping = false;
    }
    receiver.buffer = buffer;
    receiver.capacity = capacity;
    receiver.scanned = 0;
    /* RXD.AMOUNT is only valid at the end, so arrival is read from the bytes: 0xFF until something else is there. */
    memset((void *)(uintptr_t)buffer, 0xFF, capacity);
    TRN_UARTE0_EVENTS_RXDRDY = 0;
    TRN_UARTE0_EVENTS_ENDRX = 0;
    TRN_UARTE0_EVENTS_ERROR = 0;
    TRN_UARTE0_RXD_PTR = (uint32_t)buffer;
    TRN_UARTE0_RXD_MAXCNT = capacity;
    trn_cortexm_barrier();
    TRN_UARTE0_TASKS_STARTRX = 1;
}

/* Bits 7, 15, 23, 31: the bytes of w that are zero; the lowest one set is exact, those above it may be false. */
static inline uint32_t zero_bytes(uint32_t w)
{
    return (w - 0x01010101u) & ~w & 0x80808080u;
}

/*
 * Index behind the first delimiter, or 0. Bytes before receiver.scanned are not looked at again.
 * A frame holds no 0x00 but its delimiter and bytes not yet received read 0xFF, so the first 0x00 is the delimiter. A 0xFF may
 * be data or nothing yet; any other byte proves that all before it have arrived, and moves receiver.scanned.
 */
static uint32_t find_delimiter(void)
{
    volatile uint8_t *const buffer = receiver.buffer;
    const uint32_t n = receiver.capacity;
    uint32_t scanned = receiver.scanned;
    uint32_t i = scanned;
    for (; i < n && ((uintptr_t)&buffer[i] & 3u) != 0; i++) {
        if (buffer[i] == 0) {
            return i + 1;
        }
    }
    for (; i + 4 <= n; i += 4) {
        const uint32_t w = *(trn_rx_word_t *)(uintptr_t)&buffer[i];
        if (zero_bytes(w) != 0) {
            return i + (uint32_t)__builtin_ctz(zero_bytes(w)) / 8u + 1u;
        }
        if (w != 0xFFFFFFFFu) {
            scanned = i;
        }
    }
    for (; i < n; i++) {
        if (buffer[i] == 0) {
            return i + 1;
        }
    }
    receiver.scanned = scanned;
    return 0;
}

static uint32_t await_delimiter(void)
{
    for (;;) {
        trn_cortexm_clear_wakeup(TRN_UARTE0_IRQ);
        /* Events are cleared before the bytes are looked at: a byte that comes later sets them again and ends the sleep. */
        const bool full = TRN_UARTE0_EVENTS_ENDRX != 0;
        if (full || TRN_UARTE0_EVENTS_RXDRDY != 0) {
            TRN_UARTE0_EVENTS_RXDRDY = 0;
            (void)TRN_UARTE0_EVENTS_RXDRDY; /* the write has reached the peripheral */
            uint32_t n = find_delimiter();
            if (n == 0) {
                /* RXDRDY may run ahead of the DMA write by a few bus cycles; after this second look it cannot. */
                trn_cortexm_barrier();
                (void)TRN_UARTE0_EVENTS_RXDRDY;
                n = find_delimiter();
            }
            if (n != 0 || full) {
                return n;
            }
            continue; /* the wake-up that belongs to the cleared event is cleared with it, then sleep */
        }
        trn_cortexm_sleep();
    }
}

uint32_t trn_port_receive_wait(void)
{
    const uint32_t n = await_delimiter();
    TRN_UARTE0_TASKS_STOPRX = 1;
    receiver.stopping = true;
    TRN_UARTE0_EVENTS_RXDRDY = 0;
    TRN_UARTE0_EVENTS_ENDRX = 0;
    return n;
}

static void send_burst(const uint8_t *bytes, uint32_t n_bytes)
{
    TRN_UARTE0_EVENTS_ENDTX = 0;
    TRN_UARTE0_TXD_PTR = (uint32_t)bytes;
    TRN_UARTE0_TXD_MAXCNT = n_bytes;
    trn_cortexm_barrier();
    TRN_UARTE0_TASKS_STARTTX = 1;
    for (;;) {
        trn_cortexm_clear_wakeup(TRN_UARTE0_IRQ);
        if (TRN_UARTE0_EVENTS_ENDTX != 0) {
            break;
        }
        trn_cortexm_sleep();
    }
    TRN_UARTE0_EVENTS_ENDTX = 0;
}

void trn_port_send(const uint8_t *bytes, uint32_t n_bytes)
{
    if ((uintptr_t)bytes < TRN_SOC_RAM_START || (uintptr_t)bytes >= TRN_SOC_RAM_END) {
        trn_fault_port(); /* EasyDMA would send zeros from flash without a word */
    }
    while (n_bytes > 0) {
        const uint32_t n = n_bytes < TRN_UARTE0_MAXCNT_LIMIT ? n_bytes : TRN_UARTE0_MAXCNT_LIMIT;
        send_burst(bytes, n);
        bytes += n;
        n_bytes -= n;
    }
}
