/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A board on libsimavr. The core and the timers are simavr's. The UART is ours, after the data sheet: simavr's takes eleven bits
 * for a byte and never overruns. The loop is ours, too: one instruction at a time, booked by function and phase.
 */
#include <simavr/sim_avr.h>
#include <simavr/sim_core.h>
#include <simavr/sim_core_config.h>
#include <simavr/sim_cycle_timers.h>
#include <simavr/sim_interrupts.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "avr_board.h"

/* USART0 of the ATmega328P and the ATmega2560, in data space. Source: data sheets DS40002061 and DS40002211, USART. */
enum { UCSRA = 0xC0, UCSRB = 0xC1, UCSRC = 0xC2, UBRRL = 0xC4, UBRRH = 0xC5, UDR = 0xC6 };
enum { RXC = 0x80, TXC = 0x40, UDRE = 0x20, DOR = 0x08, U2X = 0x02, RXEN = 0x10, TXEN = 0x08 };
enum { RX_FIFO = 2 };

typedef struct {
    uint64_t rx_due; /* when the byte on the line has arrived; TRN_NEVER: the line is idle */
    uint64_t tx_due; /* when the byte being sent has left */
    uint8_t fifo[RX_FIFO + 1]; /* the last place is the shift register */
    uint8_t n_fifo;
    bool overrun;    /* a byte behind the oldest one was lost */
    bool sent;       /* TXC */
    uint8_t sending;
    bool holds;      /* a byte waits behind the one being sent */
    uint8_t held;
} usart_t;

typedef struct {
    avr_t *avr;
    trn_avr_state_t *s;
    avr_int_vector_t *received;
    usart_t usart;
} board_t;

/* What simavr complains about, for the message of a crash; it has one logger for all, and a worker one board. */
static char complaint[TRN_MESSAGE_BYTES];

static void take_complaint(avr_t *avr, const int level, const char *format, va_list arguments)
{
    (void)avr;
    if (level <= LOG_ERROR) {
        vsnprintf(complaint, sizeof complaint, format, arguments);
    }
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Cycles of one byte with start, parity and stop bits. */
static uint64_t frame_cycles(const board_t *b)
{
    const uint8_t *const data = b->avr->data;
    const uint64_t divisor = (uint64_t)((data[UBRRH] & 0x0F) << 8 | data[UBRRL]) + 1;
    const uint64_t bits = 7 + (data[UCSRC] >> 1 & 3u) + ((data[UCSRC] & 0x20) != 0) + ((data[UCSRC] & 0x08) != 0);
    return divisor * ((data[UCSRA] & U2X) != 0 ? 8 : 16) * bits;
}

static uint8_t read_status(avr_t *avr, avr_io_addr_t address, void *board)
{
    const usart_t *const usart = &((const board_t *)board)->usart;
    uint8_t status = avr->data[address] & U2X;
    status |= usart->n_fifo > 0 ? RXC : 0;
    status |= usart->sent ? TXC : 0;
    status |= usart->holds ? 0 : UDRE;
    status |= usart->n_fifo > 0 && usart->overrun ? DOR : 0;
    return status;
}

static void write_status(avr_t *avr, avr_io_addr_t address, uint8_t value, void *board)
{
    usart_t *const usart = &((board_t *)board)->usart;
    usart->sent = usart->sent && (value & TXC) == 0;
    avr->data[address] = value & U2X;
}

/* Takes back a request for an interrupt. avr_clear_interrupt() alone leaves it in the queue, where it would keep the core awake. */
static void withdraw(avr_t *avr, avr_int_vector_t *vector)
{
    avr_int_pending_t *const queue = &avr->interrupts.pending;
    uint16_t to = queue->read;
    for (uint16_t at = queue->read; at != queue->write; at = (uint16_t)((at + 1) & (avr_int_pending_fifo_size - 1))) {
        if (queue->buffer[at] != vector) {
            queue->buffer[to] = queue->buffer[at];
            to = (uint16_t)((to + 1) & (avr_int_pending_fifo_size - 1));
        }
    }
    queue->write = to;
    avr_clear_interrupt(avr, vector);
}

static uint8_t read_data(avr_t *avr, avr_io_addr_t address, void *board)
{
    board_t *const b = board;
    usart_t *const usart = &b->usart;
    (void)address;
    const uint8_t byte = usart->fifo[0];
    if (usart->n_fifo > 0) {
        usart->n_fifo--;
        memmove(usart->fifo, usart->fifo + 1, usart->n_fifo);
        usart->overrun = false;
    }
    if (usart->n_fifo == 0) {
        withdraw(avr, b->received);
    }
    return byte;
}

static void write_data(avr_t *avr, avr_io_addr_t address, uint8_t value, void *board)
{
    board_t *const b = board;
    usart_t *const usart = &b->usart;
    (void)address;
    if ((avr->data[UCSRB] & TXEN) == 0) {
        return;
    }
    if (usart->tx_due == TRN_NEVER) {
        usart->sending = value;
        usart->tx_due = avr->cycle + frame_cycles(b);
    } else if (!usart->holds) {
        usart->held = value;
        usart->holds = true;
    }
    usart->sent = false;
}

static void byte_left(board_t *b)
{
    usart_t *const usart = &b->usart;
    trn_avr_state_t *const s = b->s;
    s->output[s->n_output++] = usart->sending;
    if (s->n_output == s->output_bytes) {
        s->stop = TRN_STOP_OUTPUT;
    }
    if (usart->holds) {
        usart->sending = usart->held;
        usart->holds = false;
        usart->tx_due += frame_cycles(b);
    } else {
        usart->sent = true;
        usart->tx_due = TRN_NEVER;
    }
}

/* The next byte's start bit. With the buffer and the shift register full it costs the byte in the latter. */
static void byte_begins(board_t *b, uint64_t now)
{
    usart_t *const usart = &b->usart;
    if (b->s->input_at == b->s->n_input) {
        usart->rx_due = TRN_NEVER;
        return;
    }
    if (usart->n_fifo > RX_FIFO) {
        usart->n_fifo--;
        usart->overrun = true;
        b->s->overruns++;
    }
    usart->rx_due = now + frame_cycles(b);
}

static void byte_arrived(board_t *b)
{
    usart_t *const usart = &b->usart;
    const uint8_t byte = b->s->input[b->s->input_at++];
    if ((b->avr->data[UCSRB] & RXEN) != 0) {
        usart->fifo[usart->n_fifo++] = byte;
        avr_raise_interrupt(b->avr, b->received);
    } else {
        b->s->overruns++;
    }
    byte_begins(b, usart->rx_due);
}

static void advance_usart(board_t *b)
{
    if (b->avr->cycle >= b->usart.tx_due) {
        byte_left(b);
    }
    if (b->avr->cycle >= b->usart.rx_due) {
        byte_arrived(b);
    }
}

static void run_timers(avr_t *avr)
{
    const avr_cycle_timer_slot_t *const next = avr->cycle_timers.timer;
    if (next != NULL && next->when <= avr->cycle) {
        avr_cycle_timer_process(avr);
    }
}

/* Asleep: on to the next event of the UART, or for good. */
static void sleep_on(board_t *b)
{
    avr_t *const avr = b->avr;
    trn_avr_state_t *const s = b->s;
    const uint64_t next = earlier(b->usart.rx_due, b->usart.tx_due);
    if (!avr->sreg[S_I]) {
        s->stop = TRN_STOP_ASLEEP;
    } else if (next == TRN_NEVER) {
        s->stop = TRN_STOP_WAIT;
    } else {
        const uint64_t cycles = next > avr->cycle ? next - avr->cycle : 0;
        avr->cycle += cycles;
        s->total.cycles += cycles;
        s->idle += cycles;
        advance_usart(b);
        run_timers(avr);
        if (avr->interrupt_state != 0) {
            avr_service_interrupts(avr);
        }
    }
}

static uint32_t stack_pointer(const avr_t *avr)
{
    return (uint32_t)(avr->data[R_SPL] | avr->data[R_SPH] << 8);
}

static void step(board_t *b)
{
    avr_t *const avr = b->avr;
    trn_avr_state_t *const s = b->s;
    const uint64_t before = avr->cycle;
    s->previous_pc = s->pc;
    avr->run_cycle_count = 1; /* one instruction */
    avr->pc = avr_run_one(avr);
    s->total.cycles += avr->cycle - before;
    s->total.instructions++;
    if (avr->cycle >= b->usart.tx_due || avr->cycle >= b->usart.rx_due) {
        advance_usart(b);
    }
    run_timers(avr);
    if (avr->interrupt_state != 0) {
        avr_service_interrupts(avr);
    }
    s->pc = avr->pc;
    if ((s->cost_of[s->previous_pc >> 1] & TRN_COST_PUSHES) != 0 && s->stack_low != 0 && stack_pointer(avr) + 1 < s->stack_low) {
        s->stop = TRN_STOP_STACK;
        s->pc = s->previous_pc;
    }
    if (avr->state != cpu_Running && avr->state != cpu_Sleeping) {
        s->stop = TRN_STOP_CRASH;
        memcpy(s->message, complaint, sizeof s->message);
    }
}

/* Runs until there is a reason to stop. */
void trn_board_run(board_t *b);
void trn_board_run(board_t *b)
{
    avr_t *const avr = b->avr;
    trn_avr_state_t *const s = b->s;
    s->stop = TRN_STOP_NONE;
    if (b->usart.rx_due == TRN_NEVER) {
        byte_begins(b, avr->cycle);
    }
    for (bool first = true; s->stop == TRN_STOP_NONE; first = false) {
        if (s->total.cycles >= s->cycle_limit) {
            s->stop = TRN_STOP_CYCLES;
        } else if (s->total.instructions >= s->step_limit) {
            s->stop = TRN_STOP_STEPS;
        } else if (avr->state == cpu_Sleeping) {
            sleep_on(b);
        } else {
            s->pc = avr->pc;
            if (s->pc == 0 && s->started++ > 0) {
                s->stop = TRN_STOP_RESET;
                return;
            }
            TRN_AVR_BEFORE(s, stack_pointer(avr));
            if (s->stop != TRN_STOP_NONE) {
                return;
            }
            if ((s->cost_of[s->pc >> 1] & TRN_COST_ILLEGAL) != 0) {
                s->stop = TRN_STOP_ILLEGAL;
                return;
            }
            if (s->break_at != NULL && !first && s->break_at[s->pc >> 1] != 0) {
                s->stop = TRN_STOP_BREAK;
                return;
            }
            step(b);
        }
    }
    if (s->stop != TRN_STOP_STACK) {
        s->pc = avr->pc;
    }
}

/* Brings the counts up to date. */
void trn_board_settle(board_t *b);
void trn_board_settle(board_t *b)
{
    trn_avr_settle(b->s);
}

static avr_int_vector_t *vector_named(avr_t *avr, uint32_t number)
{
    for (uint8_t i = 0; i < avr->interrupts.vector_count; i++) {
        if (avr->interrupts.vector[i]->vector == number) {
            return avr->interrupts.vector[i];
        }
    }
    return NULL;
}

void trn_board_close(board_t *b);
void trn_board_close(board_t *b)
{
    avr_terminate(b->avr);
    free(b->avr);
    free(b);
}

/* A part by simavr's name for it; simavr gives not all of it back, so it is made once. wake_vector: of USART0's receiver. NULL:
 * simavr has none that takes n_bytes of flash. */
board_t *trn_board_open(const char *part, uint32_t clock_hz, uint32_t n_bytes, uint32_t wake_vector);
board_t *trn_board_open(const char *part, uint32_t clock_hz, uint32_t n_bytes, uint32_t wake_vector)
{
    avr_global_logger_set(take_complaint);
    avr_t *const avr = avr_make_mcu_by_name(part);
    if (avr == NULL) {
        return NULL;
    }
    avr_init(avr);
    board_t *const b = calloc(1, sizeof *b);
    avr_int_vector_t *const received = vector_named(avr, wake_vector);
    if (b == NULL || received == NULL || n_bytes > avr->flashend + 1u) {
        avr_terminate(avr);
        free(avr);
        free(b);
        return NULL;
    }
    avr->log = LOG_ERROR;
    avr->frequency = clock_hz;
    avr->codeend = n_bytes;
    *b = (board_t){.avr = avr, .received = received};
    avr->io[AVR_DATA_TO_IO(UCSRA)].r.c = read_status;
    avr->io[AVR_DATA_TO_IO(UCSRA)].r.param = b;
    avr->io[AVR_DATA_TO_IO(UCSRA)].w.c = write_status;
    avr->io[AVR_DATA_TO_IO(UCSRA)].w.param = b;
    avr->io[AVR_DATA_TO_IO(UDR)].r.c = read_data;
    avr->io[AVR_DATA_TO_IO(UDR)].r.param = b;
    avr->io[AVR_DATA_TO_IO(UDR)].w.c = write_data;
    avr->io[AVR_DATA_TO_IO(UDR)].w.param = b;
    return b;
}

/* Power off and on: everything as if the part had just been made, counted into s from now on. */
void trn_board_power_on(board_t *b, trn_avr_state_t *s, uint8_t *flash, uint32_t n_bytes);
void trn_board_power_on(board_t *b, trn_avr_state_t *s, uint8_t *flash, uint32_t n_bytes)
{
    avr_t *const avr = b->avr;
    memset(avr->data, 0, (size_t)avr->ramend + 1);
    memset(avr->flash, 0xFF, (size_t)avr->flashend + 1);
    avr_loadcode(avr, flash, n_bytes, 0);
    avr->cycle = 0;
    avr->interrupt_state = 0;
    avr_reset(avr);
    b->s = s;
    b->usart = (usart_t){.rx_due = TRN_NEVER, .tx_due = TRN_NEVER};
}

/* Copies data space, registers and I/O included, out or in; false where there is none. */
int32_t trn_board_read(board_t *b, uint32_t address, uint8_t *to, uint32_t n_bytes);
int32_t trn_board_read(board_t *b, uint32_t address, uint8_t *to, uint32_t n_bytes)
{
    if (address > b->avr->ramend || n_bytes > b->avr->ramend + 1u - address) {
        return 0;
    }
    memcpy(to, b->avr->data + address, n_bytes);
    return 1;
}

int32_t trn_board_write(board_t *b, uint32_t address, const uint8_t *from, uint32_t n_bytes);
int32_t trn_board_write(board_t *b, uint32_t address, const uint8_t *from, uint32_t n_bytes)
{
    if (address > b->avr->ramend || n_bytes > b->avr->ramend + 1u - address) {
        return 0;
    }
    memcpy(b->avr->data + address, from, n_bytes);
    return 1;
}

/* r0 .. r31, SREG, SP, PC. */
void trn_board_registers(board_t *b, uint32_t *to);
void trn_board_registers(board_t *b, uint32_t *to)
{
    const avr_t *const avr = b->avr;
    for (uint32_t i = 0; i < 32; i++) {
        to[i] = avr->data[i];
    }
    to[32] = 0;
    for (uint32_t i = 0; i < 8; i++) {
        to[32] |= (uint32_t)avr->sreg[i] << i;
    }
    to[33] = stack_pointer(avr);
    to[34] = avr->pc;
}

/* number as trn_board_registers() orders them. */
void trn_board_set_register(board_t *b, uint32_t number, uint32_t value);
void trn_board_set_register(board_t *b, uint32_t number, uint32_t value)
{
    avr_t *const avr = b->avr;
    if (number < 32) {
        avr->data[number] = (uint8_t)value;
    } else if (number == 32) {
        for (uint32_t i = 0; i < 8; i++) {
            avr->sreg[i] = (uint8_t)(value >> i & 1);
        }
    } else if (number == 33) {
        avr->data[R_SPL] = (uint8_t)value;
        avr->data[R_SPH] = (uint8_t)(value >> 8);
    } else {
        avr->pc = value;
    }
}

size_t trn_state_size(void);
size_t trn_state_size(void)
{
    return sizeof(trn_avr_state_t);
}

const char *trn_simavr_version(void);
const char *trn_simavr_version(void)
{
    return CONFIG_SIMAVR_VERSION;
}
