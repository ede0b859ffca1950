# SPDX-License-Identifier: Apache-2.0
"""Integer training beside float32: accuracy of every set and precision, cycles, memory and energy on three boards.

    python benchmarks/quantised/run.py                       # what is missing in results/, then results.md
    python benchmarks/quantised/run.py --again               # everything anew
    python benchmarks/quantised/run.py --accuracy digits imu --seeds 5
    python benchmarks/quantised/run.py --costs
    python benchmarks/quantised/run.py --page                # results.md alone, from results/

Every finished run is kept at once in results/, with the digest of the runtime's sources it was made with; what is
there is not run again. Sets of the data folder beside the checkout that are not there are left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from journal import kept, measure
from sets import SETS
from tables import page

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Measure, keep, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accuracy", nargs="*", choices=list(SETS), metavar="SET", help="only these sets")
    parser.add_argument("--costs", action="store_true", help="only the boards")
    parser.add_argument("--seeds", type=int, default=1, help="1 .. this, for each set")
    parser.add_argument("--again", action="store_true", help="also what has been measured")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    if not arguments.page:
        everything = arguments.accuracy is None and not arguments.costs
        names = list(SETS) if everything else arguments.accuracy or []
        measure(names, seeds=arguments.seeds, with_costs=everything or arguments.costs, again=arguments.again)
    (HERE / "results.md").write_text(page(kept("accuracy"), kept("costs")), encoding="utf-8")


if __name__ == "__main__":
    main()
