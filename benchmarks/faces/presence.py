# SPDX-License-Identifier: Apache-2.0
"""Is there an animal in the picture: ways to train scenarios/presence.yaml over seeds.

    PYTHONPATH=harness python benchmarks/faces/presence.py [--seeds 5] [--costs] [--write] [WAY ...]

What is measured is kept in presence.json; --write makes presence.md of it. How: study.py.
"""

from __future__ import annotations

from pathlib import Path

from study import SIBLING, Journal, Study, Way, arguments, made_with

FOLDER = Path(__file__).parent
STUDY = Study(
    "presence",
    {
        "sparse": Way("sparse, as shipped"),
        "full": Way("full update", ("update=all",), SIBLING),
        "last": Way("last 4 layers", ("update=all", "network.trainable_last=4")),
        "biases": Way("biases alone", ("update={sparse: {biases_of_last: 100}}",)),
        "head": Way("last layer alone", ("update=all", "network.trainable_last=1")),
    },
    ("data.train=8", "data.test=4"),
    Journal(FOLDER / "presence.json"),
)
HEAD = """
`PYTHONPATH=harness python benchmarks/faces/presence.py --seeds 3 --write`, `scenarios/presence.yaml`: a network of
inverted residuals at 64x64x3, two classes. Bytes and cycles of the emulated STM32F746G-DISCO; the full update needs
more RAM than the part has, and is of its sibling with 16 MB.
"""
NOTES = """
What it says and what it does not:

- A presence detection in the manner of Visual Wake Words, not that set, which is not in the data folder: no persons, no
  scenes with many things. CIFAR-10 shows one thing in the middle of each picture, 32x32 pixels resized to 64x64; "no
  animal" is a car, a ship or a truck. A published 89.1 % on Visual Wake Words is of another task.
- The backbone saw airplanes, birds, deer and frogs; the task has none of these classes, and its test pictures are of no
  training class of the backbone. Three of the four are animals, so what tells animals from vehicles is not new to it.
- Balanced accuracy on 150 held-out pictures of each class after one pass over 600 of each at batch size 1. The seed
  chooses their order and the fresh last layer; pictures are the same in all, so the interval of one seed (4 points
  either way at 85 %) is that of all.
- All ways have the learning rate of the scenario; none was tuned. Ways without a row have not been run over all seeds.
"""


def main() -> None:
    """Measure what is not kept yet, and write the page."""
    given = arguments(STUDY, __doc__).parse_args()
    seeds = range(1, given.seeds + 1)
    STUDY.measure(given.ways, seeds, anew=given.costs)
    if given.write:
        page = ["# Is there an animal in the picture", HEAD, *STUDY.tables(seeds)]
        text = "\n".join([*page, "", made_with(STUDY.kept["sparse/costs"]), NOTES.rstrip()])
        (FOLDER / "presence.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
