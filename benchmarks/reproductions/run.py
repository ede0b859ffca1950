# SPDX-License-Identifier: Apache-2.0
"""Measures a reproduction again, keeps what was obtained, and writes docs/reproductions.md.

python benchmarks/reproductions/run.py [poster ...]      # all of them when none is named
python benchmarks/reproductions/run.py --page            # the page alone, from what is kept
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import frame

from trainbed.report.drawing import require_packages


def main() -> None:
    """Measure, keep, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(frame.names()))
    parser.add_argument("--page", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in frame.names()]
    if unknown:
        sys.exit(f"no reproduction named '{unknown[0]}'; there are {', '.join(frame.names())}")
    require_packages()
    for name in [] if arguments.page else arguments.names or frame.names():
        reproduction = frame.load(name)
        print(f"{name}: {reproduction.title}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            obtained = reproduction.measure(Path(folder))
        frame.keep(name, obtained, versions=obtained.pop("versions"))
    for name in frame.names():
        reproduction, obtained = frame.load(name), frame.results(name)
        if reproduction.draw is not None and obtained is not None:
            reproduction.draw(frame.published(name), obtained, frame.IMAGES)
    frame.PAGE.write_text(frame.page(), encoding="utf-8")
    print(f"written: {frame.PAGE.relative_to(frame.CHECKOUT)}")


if __name__ == "__main__":
    main()
