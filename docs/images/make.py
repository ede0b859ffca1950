# SPDX-License-Identifier: Apache-2.0
"""Takes the pictures of docs/report.md: real reports of a run and of a sweep, in a real browser.

python docs/images/make.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from rich.console import Console

IMAGES = Path(__file__).resolve().parent
sys.path.append(str(IMAGES.parents[1] / "tests"))

from browser import INSTALL, Browser, chromium  # noqa: E402
from trainbed.assets import asset_path  # noqa: E402
from trainbed.report.page import write_report  # noqa: E402
from trainbed.report.sources import read_sources  # noqa: E402
from trainbed.run import run_scenario  # noqa: E402
from trainbed.scenario.loader import load_scenario  # noqa: E402
from trainbed.sweep.command import run_sweep  # noqa: E402

_ELEMENTS = {
    "report-layers.png": "#plot-layers-0",
    "report-arena.png": "#plot-arena-0",
    "report-flash.png": "#plot-flash-0",
}
_TOP = "report-top.png"
_WIDTH, _TOP_HEIGHT, _SWEEP_HEIGHT = 1180, 1010, 1110


def main() -> None:
    """Run, draw, open, take."""
    if chromium() is None:
        sys.exit(f"no Chromium; {INSTALL}")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        run_scenario(load_scenario(asset_path("scenarios") / "depthconv.yaml"), out=work / "depthconv")
        page = write_report(read_sources([work / "depthconv"]), work / "report", files=False)
        with Browser(work / "light", width=_WIDTH) as browser:
            browser.open(page)
            for file, selector in _ELEMENTS.items():
                browser.screenshot(IMAGES / file, selector=selector)
            browser.screenshot(IMAGES / _TOP, height=_TOP_HEIGHT)
        with Browser(work / "dark", width=_WIDTH, dark=True) as browser:
            browser.open(page)
            browser.screenshot(IMAGES / "report-dark.png", height=_TOP_HEIGHT)
        run_sweep(asset_path("scenarios") / "sweep" / "optimizers.yaml", out=work / "optimizers", console=Console())
        page = write_report(read_sources([work / "optimizers"]), work / "sweep", files=False)
        with Browser(work / "sweep-profile", width=_WIDTH) as browser:
            browser.open(page)
            browser.screenshot(IMAGES / "report-sweep.png", height=_SWEEP_HEIGHT)


if __name__ == "__main__":
    main()
