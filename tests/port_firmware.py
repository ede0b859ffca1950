# SPDX-License-Identifier: Apache-2.0
"""Firmware that is a board's port, the marks and one main.c: none of the runtime around it."""

from __future__ import annotations

import shutil
from pathlib import Path

from trainbed.assets import asset_path


def port_firmware(folder: Path, main: str) -> Path:
    """The sources below ``folder``, for build(firmware=...); what lies there already stays but for the main.c."""
    root = folder / "firmware"
    if not root.exists():
        for name in ("include", "port"):
            shutil.copytree(asset_path("firmware") / name, root / name)
        (root / "src").mkdir()
        shutil.copy(asset_path("firmware") / "src" / "mark.c", root / "src")
        (root / "app").mkdir()
    (root / "app" / "main.c").write_text(main)
    return root
