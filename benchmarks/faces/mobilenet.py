# SPDX-License-Identifier: Apache-2.0
"""MobileNetV2-w0.35 at 128x128x3: ways to train scenarios/faces_mobilenet.yaml over seeds, one of them on the board.

    PYTHONPATH=harness python benchmarks/faces/mobilenet.py [--seeds 5] [--write] [WAY ...]

Accuracy comes from the native build, whose bits are the board's; seed 1 of the way that is shipped is trained on the
emulated STM32F746G-DISCO, too, by the very ELF whose RAM, flash and cycles are told: its weights must be the native
ones after the same images. --images says how many of the 100; the board has two test images at most, since evaluating
is no training. Costs of the other ways are of a few images on the emulated part, or on its virtual sibling with 16 MB
of RAM where the part is too small. The seed chooses images, their augmentation, their order and the fresh last layer;
the backbone is one and the same, pre-trained once and found in the cache after that. Runs that are done are kept in
mobilenet.json; --write makes mobilenet.md of them.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import run as faces
from sklearn.linear_model import LogisticRegression

from trainbed.assets import asset_path
from trainbed.link.samples import SampleSet
from trainbed.prepare import prepare
from trainbed.result import Result
from trainbed.run import run_scenario
from trainbed.scenario.loader import load_scenario
from trainbed.scenario.scenario import Scenario
from trainbed.session import Session

FOLDER = Path(__file__).parent
KEPT = FOLDER / "mobilenet.json"
PART, SIBLING = "stm32f746g_disco", "stm32f746g_disco_16mb"
FEW = ("augment.per_class=2", "augment.test_per_class=1", "quantisation.calibration_samples=2")


@dataclass(frozen=True)
class Way:
    """A way to train: its name in the table and what it changes in the scenario."""

    name: str
    sets: tuple[str, ...] = ()
    board: str = PART


WAYS = {
    "sparse": Way("sparse, as shipped"),
    "biases": Way("biases of the last 12", ("update={sparse: {biases_of_last: 12, weights: {classifier: 1}}}",)),
    "head": Way("last layer alone", ("update={sparse: {biases_of_last: 1, weights: {classifier: 1}}}",)),
    "last": Way("last 5 layers", ("update=all", "network.trainable_last=5"), SIBLING),
    "full": Way("full update", ("update=all",), SIBLING),
    "float": Way("full update, float32", ("update=all", "training.precision=float32", "training.head=same"), SIBLING),
}


def scenario(way: Way, seed: int, *sets: str) -> Scenario:
    """The scenario of one run, without a contract: the table says what came of it."""
    path = asset_path("scenarios") / "faces_mobilenet.yaml"
    return load_scenario(path, [*way.sets, f"training.seed={seed}", "expect={}", *sets])


def scores(result: Result) -> dict[str, Any]:
    """What a run learned."""
    running = result.training.accuracy
    return {
        "balanced": result.test.balanced_accuracy,
        "running": running[0] if running else None,
        "weights": result.weights.sha256,
    }


def costs(result: Result) -> dict[str, Any]:
    """What a run on the emulated part took: bytes, and cycles a step and an inference."""
    memory, cycles = result.memory, result.cost.cycles_per_sample
    assert cycles is not None
    return {
        "board": result.board,
        "ram": memory.ram_bytes,
        "training": memory.training_bytes,
        "flash": memory.flash_bytes,
        "stack": memory.stack_bytes,
        "forward": round(cycles.forward or 0),
        "backward": round(cycles.backward or 0),
        "update": round(cycles.update or 0),
        "total": round(cycles.total or 0),
        "model": result.cost.model,
        "versions": dict(result.versions),
    }


class Journal:
    """What was measured, by key; each kept as soon as it is there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def has(self, key: str) -> bool:
        """The key was measured before."""
        return key in self.kept

    def keep(self, key: str, value: Any) -> None:
        """Remember, print and save."""
        self.kept[key] = value
        self._path.write_text(json.dumps(self.kept, indent=1, sort_keys=True) + "\n")
        print(key, value, flush=True)


def on_the_board(way: Way, images: int) -> dict[str, Any]:
    """Seed 1 trained with the first ``images`` images by the scenario's own ELF on the emulated part, and natively."""
    found: dict[str, Any] = {"images": images}
    for board, sets in (("native", ("build.optimize=O3",)), (way.board, ())):
        with Session(scenario(way, 1, *sets), board=board) as session:
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


def measure(name: str, seeds: range, images: int, journal: Journal) -> None:
    """All seeds of a way natively, and what it costs on the board."""
    way = WAYS[name]
    for seed in seeds:
        if not journal.has(f"{name}/{seed}"):
            result = run_scenario(scenario(way, seed, "build.optimize=O3"), board="native")
            journal.keep(f"{name}/{seed}", scores(result))
    if name == "sparse":
        if not journal.has(f"board/{images}"):
            journal.keep(f"board/{images}", on_the_board(way, images))
    elif not journal.has(f"{name}/costs"):
        journal.keep(f"{name}/costs", costs(run_scenario(scenario(way, 1, *FEW), board=way.board)))


def basis(seeds: range, journal: Journal) -> None:
    """Logistic regression on each seed's pixels, and how good the backbone was at what it was pre-trained on."""
    for seed in seeds:
        if journal.has(f"regression/{seed}") and journal.has("backbone"):
            continue
        prepared = prepare(scenario(WAYS["sparse"], seed), board="native")
        assert prepared.augmentation is not None and prepared.pretrained is not None
        train, test = prepared.augmentation.epoch(prepared.data.train, 0), prepared.data.test
        model = LogisticRegression(max_iter=5000).fit(train.x / 255.0, train.labels)
        journal.keep(f"regression/{seed}", float(model.score(test.x / 255.0, test.labels)))  # the classes are balanced
        journal.keep("backbone", prepared.pretrained.record.test_accuracy)


def grouped(number: float) -> str:
    """With commas."""
    return f"{number:,.0f}"


def board_of(kept: dict[str, Any]) -> dict[str, Any]:
    """The longest run of the shipped way on the emulated part."""
    runs = [value for key, value in kept.items() if key.startswith("board/")]
    longest: dict[str, Any] = max(runs, key=lambda run: run["images"])
    return longest


def row(name: str, kept: dict[str, Any], seeds: range) -> str:
    """One line of the table."""
    runs = [kept[f"{name}/{seed}"] for seed in seeds]
    cost = board_of(kept) if name == "sparse" else kept[f"{name}/costs"]
    running = statistics.mean(run["running"] for run in runs)
    cells = [grouped(cost[key]) for key in ("ram", "training", "flash", "forward", "backward", "update", "total")]
    part = "part" if cost["board"] == PART else "16 MB sibling"
    balanced = faces.percent([run["balanced"] for run in runs])
    return f"| {WAYS[name].name} | {balanced} | {100 * running:.1f} | {part} | {' | '.join(cells)} |"


def report(kept: dict[str, Any], seeds: range) -> str:
    """mobilenet.md."""
    board = board_of(kept)
    same = "equal to the native build's, to the bit" if board["weights"] == board["native"] else "**different**"
    regressions = [kept[f"regression/{seed}"] for seed in seeds]
    measured = [name for name in WAYS if all(f"{name}/{seed}" in kept for seed in seeds)]
    measured = [name for name in measured if f"{name}/costs" in kept or name == "sparse"]
    sparse = statistics.mean(kept[f"sparse/{seed}"]["balanced"] for seed in seeds)
    lines = [
        "# One person against others with MobileNetV2-w0.35 at 128x128x3",
        "",
        "`PYTHONPATH=harness python benchmarks/faces/mobilenet.py --write`, `scenarios/faces_mobilenet.yaml`.",
        "",
        f"Seed 1 of the sparse update on the emulated STM32F746G-DISCO: {grouped(board['ram'])} B of RAM (everything:"
        " image, weights in RAM, arena,",
        f"link, bound of the stack), {grouped(board['flash'])} B of flash, {grouped(board['total'])} cycles a step, all"
        f" of one ELF (sha256 {board['firmware'][:12]}). After",
        f"{board['images']} of the 100 training images its weights are {same}. Pre-trained backbone:"
        f" {100 * kept['backbone']:.1f} % on the ten classes of CIFAR-10.",
        f"Mean of {len(seeds)} seeds: {100 * (sparse - statistics.mean(regressions)):.1f} points above the logistic"
        " regression on the same pixels.",
        "",
        "| on the same pixels | balanced accuracy, mean % | each seed |",
        "|---|---|---|",
        f"| logistic regression | {faces.percent(regressions)} |",
        "",
        "| way | balanced accuracy, mean % | each seed | while training % | on the | RAM B | training B | flash B |"
        " forward | backward | update | cycles/step |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
        *(row(name, kept, seeds) for name in measured),
        "",
        "| published, TinyEngine on the part | right | share | 95 % interval |",
        "|---|---|---|---|",
    ]
    for what, right, n in faces.PUBLISHED:
        low, high = faces.wilson(right, n)
        lines.append(f"| {what} | {right} of {n} | {100 * right / n:.0f} % | {100 * low:.0f} to {100 * high:.0f} % |")
    versions = "; ".join(f"{name} {version}" for name, version in sorted(board["versions"].items()))
    lines += ["", f"Cycles are modelled ({board['model']}), at zero wait states. {versions}.", NOTES]
    return "\n".join(lines)


NOTES = """
What it says and what it does not:

- Balanced accuracy on 150 augmented held-out images of each class after one pass over 50 augmented images of each
  class at batch size 1. The backbone saw CIFAR-10 (2000 images) and no face; photographs of 30x32 and images of 32x32
  are resized to 128x128, so the network has the size that is asked for and its images have not the detail.
- The margin is narrow and uneven: from 0.3 points with seed 1 to 14.3 with seed 5, where the regression is at its
  worst; without that seed it is 2.9 in the mean. The backbone is a weak one, 20 epochs of 2000 images in colour, and a
  longer pre-training in grey is what should be tried first; the last layer alone nearly reaches the same in float32.
- The head reads centred inputs (docs/scenario.md, `centre_head`). Without that, the 1280 averages share so much that no
  learning rate got above the logistic regression in a float32 simulation of the same steps.
- The means a centred head takes away are those of the 100 training images, varied as in the epoch that follows: the
  host has seen them before the board does.
- Learning rate and the kind of mean were chosen on draws of these images, from more than four settings; means of plain
  images came to 73.5 %, 4.7 points above the regression. So 5.2 is optimistic, and says no more than that the build
  learns what the regression learns, and a little more. The float32 simulation came to 74.9 %; what 8 bits cost is the
  rest. The last layer alone comes to nearly the same: biases and the one block add little with this backbone.
- The 150 positive test images are 8 photographs of one person, each varied 18 or 19 times: the seeds differ in
  augmentation and in the others, not in the person. An interval from 300 images would be too narrow.
- Photographs of a person share background and clothes in this set, in training and test alike, so identity need not
  be read from the face.
- At the learning rate that suits the sparse way the full update does not train: 75.0, 50.0, 52.0 and 51.3 % with
  seeds 1 to 4. It was given no rate of its own, so nothing is said here of what it could reach.
- Ways without a row have not been run over all seeds. What full update, the last layers and float32 cost on the
  sibling: [benchmarks/memory](../memory/results.md), the same network with ten classes.
"""


def main() -> None:
    """Measure what is not kept yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ways", nargs="*", metavar="WAY", help=f"of {', '.join(WAYS)}; none: only what is kept")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--images", type=int, default=100, help="training images on the emulated part, 2 to 100")
    parser.add_argument("--write", action="store_true", help="write mobilenet.md")
    given = parser.parse_args()
    journal, seeds = Journal(KEPT), range(1, given.seeds + 1)
    for name in given.ways:
        measure(name, seeds, given.images, journal)
    if given.write:
        basis(seeds, journal)
        (FOLDER / "mobilenet.md").write_text(report(journal.kept, seeds), encoding="utf-8")


if __name__ == "__main__":
    main()
