/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A board on yasimavr's models of the megaAVR 0-series. Core and peripherals are yasimavr's. The loop is ours: one instruction at a
 * time, booked by function and phase, and costed as the Instruction Set Manual says, because yasimavr 0.1.6 has one table of
 * cycles for all cores. What an instruction takes moves the peripherals' time, so on-chip timers agree with the counts. Received
 * bytes are ours to pace: pushed as bytes, yasimavr's receiver takes any number of them.
 */
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>

#include <core/sim_cycle_timer.h>
#include <core/sim_device.h>
#include <core/sim_firmware.h>
#include <core/sim_interrupt.h>
#include <core/sim_ioreg.h>
#include <core/sim_logger.h>
#include <core/sim_peripheral.h>
#include <core/sim_signal.h>
#include <ioctrl_common/sim_uart.h>

#include "avr_board.h"

YASIMAVR_USING_NAMESPACE

namespace {

/* USART0 of the megaAVR 0-series, in data space. Source: DS40002015, USART. */
constexpr reg_addr_t RXDATAL = 0x0800, RXDATAH = 0x0801, STATUS = 0x0804, CTRLA = 0x0805, CTRLB = 0x0806, CTRLC = 0x0807;
constexpr reg_addr_t BAUDL = 0x0808, BAUDH = 0x0809;
constexpr uint8_t BUFOVF = 0x40, RXCIF = 0x80, RXCIE = 0x80, CLK2X = 0x02;
constexpr int RXC_VECTOR = 17;
constexpr unsigned RX_ROOM = 3; /* two in the buffer, one in the shift register */

/* Members of Core that its subclasses see: read only, and RAM written while the guest stands still. */
struct Inside : Core {
    static constexpr flash_addr_t Core::*pc = &Inside::m_pc;
    static constexpr uint8_t *Core::*sram = &Inside::m_sram;
    static constexpr uint8_t (Core::*registers)[32] = &Inside::m_regs;
};

/* What yasimavr complains about, for the message of a crash. */
class Complaints : public LogWriter {
public:
    char text[TRN_MESSAGE_BYTES] = "";

    void write(cycle_count_t, int level, ctl_id_t, const char *format, std::va_list arguments) override
    {
        if (level == Logger::Level_Error) {
            std::vsnprintf(text, sizeof text, format, arguments);
        }
    }
};

/* The UART as the harness sees it: what leaves is kept, what comes is paced and lost if nobody takes it. */
class Line : public SignalHook, public IORegHandler {
public:
    Line(Device &device_, trn_avr_state_t *state)
        : s(state), device(device_), core(device_.core()), usart(device_.find_peripheral(AVR_IOCTL_UART('0')))
    {
        ctlreq_data_t answer = {};
        if (usart != nullptr && usart->ctlreq(AVR_CTLREQ_GET_SIGNAL, &answer)) {
            answer.data.as_ptr<Signal>()->connect(*this);
        }
        core.get_ioreg(RXDATAL)->add_handler(*this);
    }

    void raised(const signal_data_t &signal, int) override
    {
        switch (signal.sigid) {
        case UART::Signal_TX_Start: sending++; break;
        case UART::Signal_TX_Complete: sending--; break;
        case UART::Signal_TX_Data: send(static_cast<uint8_t>(signal.data.as_uint())); break;
        case UART::Signal_RX_Complete:
            arriving--;
            mend_flags();
            break;
        default: break;
        }
    }

    uint8_t ioreg_read_handler(reg_addr_t, uint8_t value) override
    {
        untaken -= untaken > 0 ? 1 : 0;
        mend_flags();
        return value;
    }

    uint8_t ioreg_peek_handler(reg_addr_t, uint8_t value) override { return value; }
    void ioreg_write_handler(reg_addr_t, const ioreg_write_t &) override {}

    bool has_input() const { return s->input_at < s->n_input; }
    bool idle() const { return !has_input() && arriving == 0 && sending == 0; }

    /* The next byte's start bit, if the line is free. A byte more than the part has room for is lost; the program is told. */
    void feed(cycle_count_t now)
    {
        if (!has_input() || now < free_at) {
            return;
        }
        const uint8_t byte = s->input[s->input_at++];
        free_at = now + frame_cycles();
        if (untaken >= RX_ROOM) {
            core.ioctl_write_ioreg(RXDATAH, bitmask_t(BUFOVF), BUFOVF);
            s->overruns++;
            return;
        }
        ctlreq_data_t request = {};
        request.data = bytes_view_t(&byte, 1);
        arriving++;
        untaken++;
        usart->ctlreq(AVR_CTLREQ_USART_BYTES, &request);
    }

    cycle_count_t free_at = 0;

private:
    /* yasimavr 0.1.6 puts the number of bytes that can be read into the flag that says whether there are any: an even number clears
     * it, and the program would sleep on two bytes. */
    void mend_flags()
    {
        if (untaken > arriving && (core.get_ioreg(STATUS)->value() & RXCIF) == 0) {
            core.ioctl_write_ioreg(STATUS, bitmask_t(RXCIF), RXCIF);
            core.ioctl_write_ioreg(RXDATAH, bitmask_t(RXCIF), RXCIF);
            if ((core.get_ioreg(CTRLA)->value() & RXCIE) != 0) {
                ctlreq_data_t request = {};
                request.index = RXC_VECTOR;
                request.data = 1u;
                device.ctlreq(AVR_IOCTL_INTR, AVR_CTLREQ_INTR_RAISE, &request);
            }
        }
    }

    void send(uint8_t byte)
    {
        s->output[s->n_output++] = byte;
        if (s->n_output == s->output_bytes) {
            s->stop = TRN_STOP_OUTPUT;
        }
    }

    cycle_count_t frame_cycles() const
    {
        const unsigned baud = core.get_ioreg(BAUDL)->value() | core.get_ioreg(BAUDH)->value() << 8;
        const unsigned samples = (core.get_ioreg(CTRLB)->value() & 0x06) == CLK2X ? 8 : 16;
        const unsigned format = core.get_ioreg(CTRLC)->value();
        const unsigned bits = 7 + (format & 3) + ((format & 0x20) != 0) + ((format & 0x08) != 0);
        return static_cast<cycle_count_t>(samples * (baud < 64 ? 64 : baud) / 64) * bits;
    }

    trn_avr_state_t *const s;
    Device &device;
    Core &core;
    Peripheral *const usart;
    unsigned sending = 0, arriving = 0, untaken = 0;
};

/* What the device points to from its initialisation on. */
struct Power {
    CycleManager clock;
    Complaints complaints;
};

} // namespace

struct trn_board {
    trn_board(Device &device_, std::unique_ptr<Power> power_, trn_avr_state_t *state)
        : device(device_), core(device_.core()), power(std::move(power_)), clock(power->clock), s(state), line(device_, state)
    {
        /* Endless loops are for our budget to end. */
        device.set_option(Device::Option_InfiniteLoopDetect, false);
        device.set_option(Device::Option_DisablePseudoSleep, true);
        low = core.get_ioreg(R_SPL);
        high = core.get_ioreg(R_SPH);
    }

    uint32_t stack_pointer() const { return low->value() | static_cast<uint32_t>(high->value()) << 8; }
    uint32_t pair(int r) const { return (core.*Inside::registers)[r] | static_cast<uint32_t>((core.*Inside::registers)[r + 1]) << 8; }

    /* What the load or store about to be executed reaches: TRN_AT_*, 0 for RAM. */
    uint32_t reached(uint32_t word, uint8_t cost) const
    {
        uint32_t address = 0;
        switch (cost & TRN_COST_POINTER) {
        case TRN_COST_X: address = pair(R_X); break;
        case TRN_COST_Y: address = pair(R_Y); break;
        case TRN_COST_Z: address = pair(R_Z); break;
        default: return s->displacement_of[word];
        }
        const uint8_t displacement = s->displacement_of[word];
        address = (displacement == 0xFF ? address - 1 : address + displacement) & 0xFFFF;
        return address >= s->mapped_from ? TRN_AT_FLASH : address < s->ram_from ? TRN_AT_PERIPHERAL : 0;
    }

    void step()
    {
        const uint32_t word = s->pc >> 1;
        const uint8_t cost = s->cost_of[word];
        const uint32_t at = (cost & TRN_COST_POINTER) != 0 ? reached(word, cost) : 0;
        const bool outside = (cost & TRN_COST_PERIPHERAL) != 0 || at == TRN_AT_PERIPHERAL;
        const unsigned wait = at == TRN_AT_FLASH ? 1 : 0;
        s->previous_pc = s->pc;
        if (outside) {
            tell_time();
        }
        cycle_count_t cycles = core.exec_cycle();
        if (device.state() == Device::State_Reset) {
            device.exec_cycle(); /* carries it out */
        }
        if ((cost & TRN_COST_CYCLES) != 0) {
            cycles = cost & TRN_COST_CYCLES;
        }
        s->total.cycles += static_cast<uint64_t>(cycles);
        s->total.memory += wait;
        s->total.instructions++;
        untold += cycles + wait;
        if (outside || told + untold >= due) {
            pass();
        }
    }

    /* The peripherals' clock is set only when one of them may look at it. */
    void tell_time()
    {
        clock.increment_cycle(untold);
        told += untold;
        untold = 0;
    }

    void pass()
    {
        tell_time();
        line.feed(told);
        clock.process_timers();
        due = next_event();
    }

    /* When something happens next that no instruction brings about. */
    cycle_count_t next_event() const
    {
        const cycle_count_t next = clock.next_when();
        const cycle_count_t timer = next == INVALID_CYCLE ? INT64_MAX : next;
        return line.has_input() && line.free_at < timer ? line.free_at : timer;
    }

    /* Asleep: on to the next event, or for good. */
    void sleep_on()
    {
        if ((core.ioctl_read_ioreg(reg_addr_t(R_SREG)) & 0x80) == 0) {
            s->stop = TRN_STOP_ASLEEP;
            return;
        }
        if (line.idle()) {
            s->stop = TRN_STOP_WAIT;
            return;
        }
        pass();
        if (device.state() == Device::State_Sleeping) {
            const cycle_count_t cycles = due > told ? due - told : 1;
            s->total.cycles += static_cast<uint64_t>(cycles);
            s->idle += static_cast<uint64_t>(cycles);
            untold = cycles;
            pass();
        }
    }

    void run()
    {
        s->stop = TRN_STOP_NONE;
        pass();
        for (bool first = true; s->stop == TRN_STOP_NONE; first = false) {
            const Device::State state = device.state();
            if (s->total.cycles + s->total.memory >= s->cycle_limit) {
                s->stop = TRN_STOP_CYCLES;
            } else if (s->total.instructions >= s->step_limit) {
                s->stop = TRN_STOP_STEPS;
            } else if (state == Device::State_Sleeping) {
                sleep_on();
            } else if (state == Device::State_Done) {
                s->stop = TRN_STOP_ASLEEP;
            } else if (state >= Device::State_Crashed) {
                s->stop = TRN_STOP_CRASH;
                std::memcpy(s->message, power->complaints.text, sizeof s->message);
            } else {
                s->pc = core.*Inside::pc;
                if (s->pc == 0 && s->started++ > 0) {
                    s->stop = TRN_STOP_RESET;
                    return;
                }
                TRN_AVR_BEFORE(s, stack_pointer());
                if (s->stop != TRN_STOP_NONE) {
                    return;
                }
                if (const uint32_t forgotten = s->segments[s->segment].entry_cycles; forgotten != 0 && entered != s->segment) {
                    s->total.cycles += forgotten;
                    untold += forgotten;
                }
                entered = s->segment;
                if ((s->cost_of[s->pc >> 1] & TRN_COST_ILLEGAL) != 0) {
                    s->stop = TRN_STOP_ILLEGAL;
                    return;
                }
                if (s->break_at != nullptr && !first && s->break_at[s->pc >> 1] != 0) {
                    s->stop = TRN_STOP_BREAK;
                    return;
                }
                step();
            }
        }
        s->pc = core.*Inside::pc;
    }

    /* Registers, I/O that can be read without consequence, RAM. */
    bool access(uint32_t address, uint8_t *bytes, uint32_t n_bytes, bool write)
    {
        const CoreConfiguration &config = core.config();
        for (uint32_t i = 0; i < n_bytes; i++) {
            const uint32_t at = address + i;
            if (at >= config.ramstart && at <= config.ramend) {
                uint8_t &byte = (core.*Inside::sram)[at - config.ramstart];
                (write ? byte : bytes[i]) = write ? bytes[i] : byte;
            } else if (at <= config.ioend && !write) {
                bytes[i] = core.get_ioreg(reg_addr_t(static_cast<short>(at)))->value();
            } else {
                return false;
            }
        }
        return true;
    }

    Device &device;
    Core &core;
    const std::unique_ptr<Power> power;
    CycleManager &clock;
    trn_avr_state_t *const s;
    Line line;
    IORegister *low, *high;
    uint32_t entered = 0;
    cycle_count_t told = 0, untold = 0; /* cycles the peripherals know of, and do not yet */
    cycle_count_t due = 0;
};

extern "C" {

/* A part as Python has made it, which owns it; its flash programmed, at reset. NULL: it does not take the firmware. */
trn_board *trn_board_open(trn_avr_state_t *s, void *made, uint32_t clock_hz, const uint8_t *flash, uint32_t n_bytes)
{
    Device &device = *static_cast<Device *>(made);
    auto power = std::make_unique<Power>();
    device.log_handler().set_writer(power->complaints);
    Firmware firmware;
    firmware.frequency = clock_hz;
    firmware.vcc = 5.0;
    firmware.add_block(Firmware::Area_Flash, {bytes_view_t(flash, n_bytes), 0});
    if (!device.init(power->clock) || !device.load_firmware(firmware)) {
        std::memcpy(s->message, power->complaints.text, sizeof s->message);
        (void)power.release(); /* the device, which points to it, is Python's to delete */
        return nullptr;
    }
    return new trn_board(device, std::move(power), s);
}

void trn_board_close(trn_board *b)
{
    delete b;
}

void trn_board_run(trn_board *b)
{
    b->run();
}

void trn_board_settle(trn_board *b)
{
    trn_avr_settle(b->s);
}

int32_t trn_board_read(trn_board *b, uint32_t address, uint8_t *to, uint32_t n_bytes)
{
    return b->access(address, to, n_bytes, false);
}

int32_t trn_board_write(trn_board *b, uint32_t address, uint8_t *from, uint32_t n_bytes)
{
    return b->access(address, from, n_bytes, true);
}

void trn_board_registers(trn_board *b, uint32_t *to)
{
    for (uint32_t i = 0; i < 32; i++) {
        to[i] = (b->core.*Inside::registers)[i];
    }
    to[32] = b->core.ioctl_read_ioreg(reg_addr_t(R_SREG));
    to[33] = b->stack_pointer();
    to[34] = static_cast<uint32_t>(b->core.*Inside::pc);
}

/* number as trn_board_registers() orders them. */
void trn_board_set_register(trn_board *b, uint32_t number, uint32_t value)
{
    if (number < 32) {
        (b->core.*Inside::registers)[number] = static_cast<uint8_t>(value);
    } else if (number == 32) {
        b->core.ioctl_write_ioreg(reg_addr_t(R_SREG), bitmask_t(0xFF), static_cast<uint8_t>(value));
    } else if (number == 33) {
        b->low->set(static_cast<uint8_t>(value));
        b->high->set(static_cast<uint8_t>(value >> 8));
    } else {
        b->core.*Inside::pc = static_cast<flash_addr_t>(value);
    }
}

size_t trn_state_size(void)
{
    return sizeof(trn_avr_state_t);
}
}
