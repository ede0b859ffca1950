# SPDX-License-Identifier: Apache-2.0
"""MobileNetV2-w0.35 at 128x128x3: ways to train scenarios/faces_mobilenet.yaml over seeds, one of them on the board.

    PYTHONPATH=harness python benchmarks/faces/mobilenet.py [--seeds 5] [--costs] [--write] [WAY ...]

Seed 1 of the way that is shipped is trained on the emulated STM32F746G-DISCO, too, by the very ELF whose RAM, flash and
cycles are told: its weights must be the native ones after the same images. --images says how many of the 100; the board
has two test images at most, since evaluating is no training. What is measured is kept in mobilenet.json; --write makes
mobilenet.md of it. How: study.py.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from study import PART, SIBLING, Journal, Study, Way, arguments, costs, made_with, published, share_of

from trainbed.link.samples import SampleSet
from trainbed.session import Session

FOLDER = Path(__file__).parent


def rate(lr: float) -> str:
    """A learning rate of a way's own."""
    return f"training.optimizer={{sgd: {{lr: {lr}}}}}"


EXACT = ("training.precision=float32", "training.head=same")
STUDY = Study(
    "faces_mobilenet",
    {
        "sparse": Way("sparse, as shipped"),
        "head": Way("last layer alone", ("update={sparse: {biases_of_last: 1, weights: {classifier: 1}}}",)),
        "biases": Way(
            "biases of the last 12", ("update={sparse: {biases_of_last: 12, weights: {classifier: 1}}}", rate(0.02))
        ),
        "last": Way("last 5 layers", ("update=all", "network.trainable_last=5", rate(0.015)), SIBLING),
        "full": Way("full update", ("update=all", rate(0.015)), SIBLING),
        "float": Way("full update, float32", ("update=all", rate(0.004), *EXACT), SIBLING),
    },
    ("augment.per_class=2", "augment.test_per_class=1", "quantisation.calibration_samples=2"),
    Journal(FOLDER / "mobilenet.json"),
)
FEWER = Study("faces_50_10", {"as shipped": Way("sparse")}, (), Journal(FOLDER / "fifty.json"))
"""As many images as the publication has."""


def on_the_board(images: int) -> dict[str, Any]:
    """Seed 1 trained with the first ``images`` images by the scenario's own ELF on the emulated part, and natively."""
    found: dict[str, Any] = {"images": images}
    for board, sets in (("native", ("build.optimize=O1",)), (PART, ())):
        with Session(STUDY.load(STUDY.ways["sparse"], 1, *sets), board=board) as session:
            data = session.prepared.data
            few = replace(data, train=first(data.train, images), test=first(data.test, 2))
            session.prepared = replace(session.prepared, data=few)  # planned and built for all of them
            result = session.result()
        if board == "native":
            found["native"] = result.weights.sha256
        else:
            found |= {"weights": result.weights.sha256, "firmware": result.firmware.sha256} | costs(result)
    return found


def first(samples: SampleSet, n: int) -> SampleSet:
    """The first ``n`` samples."""
    assert samples.labels is not None
    return replace(samples, x=samples.x[:n], labels=samples.labels[:n])


def measure(name: str, seeds: range, *, images: int, anew: bool) -> None:
    """All seeds of a way natively, and what it costs on the board; ``anew``: that alone."""
    if not anew:
        STUDY.learn(name, seeds)
    if anew or f"{name}/costs" not in STUDY.kept:
        if name == "sparse":
            STUDY.journal.keep(f"{name}/costs", on_the_board(images))
        else:
            STUDY.cost(name)


def fewer(seeds: range) -> list[str]:
    """Lines of Markdown: scenarios/faces_50_10.yaml, with its intervals."""
    runs = [FEWER.kept[f"as shipped/{seed}"] for seed in seeds]
    lines = [
        "| [faces_50_10.yaml](../../scenarios/faces_50_10.yaml), seed | while training | test | test, 95 % interval |"
    ]
    lines.append("|---|---|---|---|")
    for seed, run in zip(seeds, runs, strict=True):
        _, share, interval = share_of(round(10 * run["balanced"]), 10).split(" | ")
        lines.append(f"| {seed} | {100 * run['running']:.0f} % | {share} | {interval} |")
    for what, key, n in (("while training", "running", 50), ("test", "balanced", 10)):
        right = round(sum(run[key] for run in runs) * n)
        lines.append(f"| all, {what} | {share_of(right, n * len(runs))} |")
    return lines


def report(seeds: range) -> str:
    """mobilenet.md."""
    kept = STUDY.kept
    board = kept["sparse/costs"]
    same = "equal to the native build's, to the bit" if board["weights"] == board["native"] else "**different**"
    lines = [
        "# One person against others with MobileNetV2-w0.35 at 128x128x3",
        "",
        "`PYTHONPATH=harness python benchmarks/faces/mobilenet.py --write`, `scenarios/faces_mobilenet.yaml`.",
        "",
        f"Seed 1 of the sparse update on the emulated STM32F746G-DISCO: {board['ram']:,} B of RAM (everything:"
        " image, weights in RAM, arena,",
        f"link, bound of the stack), {board['flash']:,} B of flash, {board['total']:,} cycles a step, all"
        f" of one ELF (sha256 {board['firmware'][:12]}). After",
        f"{board['images']} of the 100 training images its weights are {same}. Pre-trained backbone:"
        f" {100 * kept['backbone']:.1f} % on the ten classes of CIFAR-10, in grey.",
        f"Mean of {len(seeds)} seeds: {STUDY.above('sparse', seeds):.1f} points above the logistic"
        " regression on the same pixels.",
        "",
        *STUDY.tables(seeds),
        "",
        *published(),
    ]
    if all(f"as shipped/{seed}" in FEWER.kept for seed in seeds):
        lines += ["", *fewer(seeds)]
    return "\n".join([*lines, "", made_with(board), NOTES])


NOTES = """
What it says and what it does not:

- Balanced accuracy on 150 augmented held-out images of each class after one pass over 50 augmented images of each
  class at batch size 1. The backbone saw CIFAR-10 (2000 images, in grey, 60 epochs at 64x64 and 6 at 128x128) and no
  face; photographs of 30x32 and images of 32x32 are resized to 128x128, so the network has the size that is asked for
  and its images have not the detail.
- Settings were chosen on other draws than the ones told here. Seeds 11 to 13 decided between two sparse schemes with a
  learning rate each and confirmed the head's; the features of one backbone in grey, seen by a logistic regression and
  by plain steps of a head in float32 on seeds 11 to 15, were 8 and 10 points above those of the one in colour before,
  so no other was tried. All ways draw from the same photographs, in training as in test: other draws, not other people.
- The network scores lower on CIFAR-10 than its predecessor in colour (41.6 %) and its features are better for these
  faces, which are grey.
- The head reads centred inputs (docs/scenario.md, `centre_head`). Without that, the 1280 averages share so much that no
  learning rate got above the logistic regression in a float32 simulation of the same steps. The means are those of the
  100 training images, varied as in the epoch that follows: the host has seen them before the board does.
- The last layer alone is no worse than the sparse update: 100 steps that move biases and a share of one layer teach the
  layers below the head nothing that this test shows. The full update is better in the mean, by two of five seeds, for
  many times the memory; the scheme is there for what it takes, and for tasks with more to learn.
- The 150 positive test images are 8 photographs of one person, each varied 18 or 19 times: the seeds differ in
  augmentation and in the others, not in the person. An interval from 300 images would be too narrow.
- Photographs of a person share background and clothes in this set, in training and test alike, so identity need not
  be read from the face.
- The learning rate of the last five layers is the only one tried, on seed 11; that of the full update the best of three
  on it; those of the biases and of float32 were not compared with others.
- Ways without a row have not been run over all seeds. What float32 costs on the sibling:
  [benchmarks/memory](../memory/results.md), the same network with ten classes.
"""


def main() -> None:
    """Measure what is not kept yet, and write the page."""
    parser = arguments(STUDY, __doc__)
    parser.add_argument("--images", type=int, default=100, help="training images on the emulated part, 2 to 100")
    parser.add_argument("--fewer", action="store_true", help="measure scenarios/faces_50_10.yaml, too")
    given = parser.parse_args()
    seeds = range(1, given.seeds + 1)
    for name in given.ways:
        measure(name, seeds, images=given.images, anew=given.costs)
    if given.fewer:
        FEWER.learn("as shipped", seeds)
    if given.write:
        STUDY.compare(seeds)
        (FOLDER / "mobilenet.md").write_text(report(seeds), encoding="utf-8")


if __name__ == "__main__":
    main()
