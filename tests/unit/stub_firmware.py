# SPDX-License-Identifier: Apache-2.0
"""The smallest firmware that links: the real ports around an application of a few lines."""

from __future__ import annotations

import shutil
from pathlib import Path

from trainbed.assets import asset_path

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
    root = folder / "firmware"
    for name in ("include", "port"):
        shutil.copytree(asset_path("firmware") / name, root / name)
    (root / "app").mkdir()
    (root / "app" / "main.c").write_text(main)
    return root
