# SPDX-License-Identifier: Apache-2.0
"""The smallest firmware that links: the real ports around an application of a few lines."""

from __future__ import annotations

from pathlib import Path

from port_firmware import port_firmware

CONFIG = "#define TRN_RX_BYTES 64\n"

ECHO = """\
#include <trn/port.h>
#include "trn_config.h"
static uint8_t rx[TRN_RX_BYTES];
static uint8_t tx[TRN_RX_BYTES];
int main(void);
int main(void)
{
    trn_port_init();
    for (;;) {
        trn_port_receive_start(rx, TRN_RX_BYTES);
        const uint32_t n = trn_port_receive_wait();
        for (uint32_t i = 0; i < n; i++) {
            tx[i] = rx[i];
        }
        trn_port_send(tx, n);
    }
}
"""


def stub_firmware(folder: Path, main: str = ECHO) -> Path:
    """A firmware/ folder with the real include/ and port/, and ``main`` as its only application source."""
    return port_firmware(folder, main)
