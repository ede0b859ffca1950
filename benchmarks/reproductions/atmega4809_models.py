# SPDX-License-Identifier: Apache-2.0
"""The thesis's models on the PC: size and accuracy over hidden widths (4.1, 4.2), pruning (4.4 to 4.6).

Trained by the host's own trainer, as a scenario's ``pretrain``; 8-bit accuracy is the NumPy twin's, whose bits are the
chip's. The published surfaces have no numbers: what the thesis says of them stands beside ours.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from frame import CHECKOUT, Block, Picture, Reproduction, Results, Table, grouped
from numpy.typing import NDArray

from trainbed import __version__
from trainbed.errors import DoesNotFit
from trainbed.prepare import Prepared, build_firmware, prepare
from trainbed.replay import make_twin
from trainbed.result import npz_bytes
from trainbed.scenario.document import Document
from trainbed.scenario.loader import check_document
from trainbed.weights import named

WIDTHS = (2, 4, 8, 16, 32, 64)
"""Of two hidden layers; the thesis has 1 to 128 in powers of two."""
DEEP_WIDTHS = (8, 32)
"""Of three."""
SPARSITIES = (0.0, 0.3, 0.6, 0.9)
"""Initial and final; the thesis has 0 to 0.9 by 0.1."""
PRUNED = (32, 32, 32, 32)
"""Hidden widths of the network that is pruned: the thesis's."""
IMAGES, TESTED, EPOCHS, BATCH = 20_000, 1000, 10, 64
"""The thesis trains on 50 000."""
KERAS_BYTES = 12
"""Of a parameter in a .h5 file of Keras: the weight and Adam's two moments, each in float32."""

_SIZES_PICTURE = "reproduction-atmega4809-figures-4-1-4-2.png"
_PRUNING_PICTURE = "reproduction-atmega4809-figures-4-4-4-6.png"


def measure(folder: Path) -> dict[str, Any]:
    """Train, quantise and weigh all networks."""
    sizes = []
    for hidden in (*itertools.product(WIDTHS, repeat=2), *itertools.product(DEEP_WIDTHS, repeat=3)):
        prepared = _trained(hidden, folder, pooled=True)
        sizes.append({"hidden": list(hidden), **_facts(prepared), "flash_bytes": _flash(prepared)})
        print(sizes[-1], flush=True)
    whole = _trained(PRUNED, folder, pooled=False)
    start = folder / "whole.npz"
    assert whole.pretrained is not None  # its scenario asks for it
    start.write_bytes(npz_bytes(named(whole.network, whole.pretrained.weights)))
    pruned = []
    for initial, final in _schedules():
        steps = EPOCHS * -(-IMAGES // BATCH)
        prune = {"initial": initial, "final": final, "steps": steps}
        found = _trained(PRUNED, folder, pooled=False, weights={"npz": str(start)}, prune=prune)
        pruned.append({"initial": initial, "final": final, **_facts(found), **_files(found)})
        print(pruned[-1], flush=True)
    return {
        "images": IMAGES,
        "sizes": sizes,
        "whole": {**_facts(whole), **_files(whole)},
        "pruned": pruned,
        "versions": {"trainbed": __version__, "numpy": np.__version__},
    }


def _schedules() -> Iterator[tuple[float, float]]:
    """(initial, final) of every schedule that does not fall."""
    return ((i, f) for i, f in itertools.product(SPARSITIES, repeat=2) if i <= f and f > 0)


def _trained(hidden: Sequence[int], folder: Path, *, pooled: bool, **more: Any) -> Prepared:
    """A network trained on the host and quantised for the chip."""
    mnist = {"npz": str(CHECKOUT.parent / "shared" / "data" / "mnist.npz"), "test": TESTED}
    layers = [
        *([{"max_pool": {"size": 2}}] if pooled else []),
        "flatten",
        *({"dense": {"units": width, "activation": "relu"}} for width in hidden),
        {"dense": {"units": 10, "activation": "softmax"}},
    ]
    root: dict[str, Any] = {
        "schema": 1,
        "name": f"hidden layers {', '.join(map(str, hidden))}",
        "board": "atmega4809_xplained",
        "network": {"input": [28, 28, 1], "layers": layers},
        "pretrain": {
            "data": {**mnist, "train": IMAGES},
            "loss": "categorical_crossentropy",
            "optimizer": {"adam": {"lr": 0.001}},
            "epochs": EPOCHS,
            "batch_size": BATCH,
            "engine": "numpy",
        },
        "training": {
            "precision": "int8_pow2",
            "loss": "categorical_crossentropy",
            "optimizer": {"sgd": {"lr": 0.01}},
            "epochs": 0,
            "batch_size": 1,
        },
        "quantisation": {"calibration_samples": 1000},
        "build": {"optimize": "Os"},
        "data": {**mnist, "train": 1000},
        "link": {"dataset": "stream"},
        "expect": {},
        **more,
    }
    return prepare(check_document(Document(root, folder / "model.yaml", {})))


def _facts(prepared: Prepared) -> dict[str, Any]:
    """Accuracy in float32 and in the chip's 8 bits, on the same images."""
    assert prepared.pretrained is not None
    record = prepared.pretrained.record
    test = prepared.data.test
    targets = prepared.data.targets_of(test)
    outputs = make_twin(prepared).evaluate(prepared.inputs(test), targets).outputs
    return {
        "parameters": prepared.network.n_parameters,
        "float32_accuracy": record.test_accuracy,
        "int8_accuracy": float(np.mean(outputs.argmax(axis=1) == targets.argmax(axis=1))),
        "sparsity": record.sparsity_total,
    }


def _flash(prepared: Prepared) -> int | None:
    """Program, weights and link in the chip's flash; None where they do not fit."""
    try:
        return build_firmware(prepared).firmware.flash_bytes
    except DoesNotFit:
        return None


def _files(prepared: Prepared) -> dict[str, int]:
    """Sizes of what the weights would be kept in."""
    assert prepared.pretrained is not None
    floats = b"".join(array.tobytes() for pair in prepared.pretrained.weights for array in pair)
    codes = np.concatenate([array.ravel() for array in prepared.initial.values()])
    return {
        "float32_deflated_bytes": len(zlib.compress(floats, 9)),
        "int8_deflated_bytes": len(zlib.compress(codes.astype(np.int8).tobytes(), 9)),
        "header_bytes": header_bytes(codes),
    }


def header_bytes(codes: NDArray[Any]) -> int:
    """Codes as decimal numbers, a comma and a blank behind each: how NNoM's header holds them."""
    return sum(len(str(code)) + 2 for code in codes.tolist())


def section(published: Mapping[str, Any], results: Results) -> Sequence[Block]:
    """Figures 4.1 and 4.2, then 4.4 to 4.6."""
    figures = published["figures"]
    sizes = {tuple(found["hidden"]): found for found in results["sizes"]}
    whole, pruned = results["whole"], results["pruned"]
    gained = [_header(found) / _header(whole) for found in pruned]
    return (
        "Networks of figures 4.1 and 4.2 (appendix C): 2x2 pooling, the hidden widths, 10 outputs; Adam "
        f"{_recipe(results)}; accuracy on the first {TESTED} test images, in float32 on the host and in the chip's 8 "
        "bits. *Flash* is the whole firmware for the ATmega4809, -Os; the thesis's circles are sizes of Keras's files, "
        "which grow with the parameters.",
        Picture(_SIZES_PICTURE, "Accuracy and size over the widths of two and of three hidden layers"),
        _size_table(results["sizes"]),
        "The thesis: the size grows significantly more with the first hidden layer's width than with the next ones'. "
        f"Here from {_growth(sizes, (8, 8), (64, 8))}, from {_growth(sizes, (8, 8), (8, 64))}. Accuracy in float32 and "
        f"in 8 bits differs by at most {_largest_gap(results['sizes']):.1f} points.",
        f"Figures 4.4 to 4.6 (appendix D): 784-{'-'.join(map(str, PRUNED))}-10, trained as above, then pruned while it "
        f"trains for {EPOCHS} more epochs along the polynomial schedule, which ends with the last step. *Header* is "
        f"the text of the codes in NNoM's header, against a file of Keras with {KERAS_BYTES} B a parameter (the weight "
        "and Adam's moments): the thesis's total compression, figure 4.4. *Deflated* is what zlib makes of the weights "
        "(level 9): the float32 ones against the unpruned ones deflated, as figure 4.5 had its files been packed; the "
        "8-bit codes against 4 B a parameter.",
        Picture(_PRUNING_PICTURE, "Accuracy and compression over final sparsity, a line for each initial sparsity"),
        _pruning_table(whole, pruned),
        f"Published: conversion alone compresses by more than {figures['conversion_compression']}, pruning adds a "
        f"factor of about {figures['pruning_compression']}, more the sparser the network (figure 4.4); Keras's pruned "
        "files are of a constant size (figure 4.5: a float that is zero takes its bytes; here "
        f"{grouped(4 * whole['parameters'])} B throughout); accuracy falls by about {figures['accuracy_drop']:.0%}, "
        f"whatever the sparsity (figure 4.6). Here conversion alone gives {_header(whole):.2f}, pruning adds a factor "
        f"of {min(gained):.2f} to {max(gained):.2f}; accuracy in float32 changes by {_changes(whole, pruned)} points. "
        "What differs: our inputs are 0 to 1, the thesis's (pixel - 127) / 8 behind a tanh.",
    )


def _recipe(results: Results) -> str:
    return f"0.001, batches of {BATCH}, {EPOCHS} epochs over {grouped(results['images'])} images (the thesis: 50 000)"


def _size_table(sizes: Sequence[Mapping[str, Any]]) -> Table:
    return Table(
        ("hidden widths", "parameters", "flash B", "float32 %", "8 bits %"),
        tuple(
            (
                ", ".join(map(str, found["hidden"])),
                grouped(found["parameters"]),
                grouped(found["flash_bytes"]),
                _percent(found["float32_accuracy"]),
                _percent(found["int8_accuracy"]),
            )
            for found in sizes
            if _told(found["hidden"])
        ),
        caption=f"The corners and the equal widths of the {len(sizes)} networks:",
    )


def _told(hidden: Sequence[int]) -> bool:
    ends = WIDTHS if len(hidden) == 2 else DEEP_WIDTHS
    return len(set(hidden)) == 1 or all(width in (ends[0], ends[-1]) for width in hidden)


def _pruning_table(whole: Mapping[str, Any], pruned: Sequence[Mapping[str, Any]]) -> Table:
    return Table(
        (
            "initial, final sparsity",
            "zeros %",
            "float32 %",
            "8 bits %",
            "Keras's file / header",
            "float32 deflated",
            "8 bits deflated",
        ),
        tuple(
            (
                f"{found['initial']}, {found['final']}" if "initial" in found else "not pruned",
                f"{100 * found['sparsity']:.1f}",
                _percent(found["float32_accuracy"]),
                _percent(found["int8_accuracy"]),
                f"{_header(found):.2f}",
                f"{whole['float32_deflated_bytes'] / found['float32_deflated_bytes']:.2f}",
                f"{_deflated(found):.2f}",
            )
            for found in (whole, *pruned)
        ),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _header(found: Mapping[str, Any]) -> float:
    """Figure 4.4: Keras's unpruned file over NNoM's header."""
    ratio: float = KERAS_BYTES * found["parameters"] / found["header_bytes"]
    return ratio


def _deflated(found: Mapping[str, Any]) -> float:
    ratio: float = 4 * found["parameters"] / found["int8_deflated_bytes"]
    return ratio


def _growth(sizes: Mapping[tuple[int, ...], Mapping[str, Any]], a: tuple[int, ...], b: tuple[int, ...]) -> str:
    more = sizes[b]["flash_bytes"] - sizes[a]["flash_bytes"]
    return f"{', '.join(map(str, a))} to {', '.join(map(str, b))}: {grouped(more)} B more flash"


def _largest_gap(sizes: Sequence[Mapping[str, Any]]) -> float:
    return max(100 * abs(found["float32_accuracy"] - found["int8_accuracy"]) for found in sizes)


def _changes(whole: Mapping[str, Any], pruned: Sequence[Mapping[str, Any]]) -> str:
    changes = [100 * (found["float32_accuracy"] - whole["float32_accuracy"]) for found in pruned]
    return f"{min(changes):+.1f} to {max(changes):+.1f}"


def draw(published: Mapping[str, Any], results: Results, images: Path) -> None:
    """Two pictures: widths, pruning."""
    _draw_sizes(results, images / _SIZES_PICTURE)
    _draw_pruning(results, images / _PRUNING_PICTURE)


def _draw_sizes(results: Results, file: Path) -> None:
    """As in the thesis: a circle a network, here its area the flash and its colour the accuracy."""
    from trainbed.report.drawing import WIDE, new_drawing, style, to_png

    panels = [("two hidden layers", [one for one in results["sizes"] if len(one["hidden"]) == 2])]
    for third in DEEP_WIDTHS:
        found = [one for one in results["sizes"] if len(one["hidden"]) == 3 and one["hidden"][2] == third]
        panels.append((f"three, the third {third}", found))
    with style():
        drawing = new_drawing("figures-4-1-4-2", "", width=WIDE, height=3.4)
        all_axes = drawing.figure.subplots(1, len(panels), sharey=True)
        for axes, (title, networks) in zip(all_axes, panels, strict=True):
            dots = axes.scatter(
                [one["hidden"][0] for one in networks],
                [one["hidden"][1] for one in networks],
                s=[(one["flash_bytes"] or 0) / 200 for one in networks],
                c=[100 * one["float32_accuracy"] for one in networks],
                cmap="viridis",
                vmin=min(100 * one["float32_accuracy"] for one in results["sizes"]),
                vmax=100,
            )
            axes.set_xscale("log", base=2)
            axes.set_yscale("log", base=2)
            axes.set(xlim=(1.2, 130), ylim=(1.2, 130), title=title, xlabel="width of the first")
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_formatter("{x:.0f}")
        all_axes[0].set_ylabel("width of the second")
        drawing.figure.colorbar(dots, ax=all_axes, label="accuracy %, float32; area: flash")
        file.write_bytes(to_png(drawing))


def _draw_pruning(results: Results, file: Path) -> None:
    """Accuracy, total compression and deflated codes: a line for each initial sparsity."""
    from trainbed.report.drawing import WIDE, colour, new_drawing, style, to_png

    whole = results["whole"]
    panels = (
        ("4.6: accuracy %, float32", lambda one: 100 * one["float32_accuracy"]),
        ("accuracy %, 8 bits", lambda one: 100 * one["int8_accuracy"]),
        ("4.4: Keras's file / header", _header),
        ("4 B / deflated 8 bits", _deflated),
    )
    with style():
        drawing = new_drawing("figures-4-4-4-6", "", width=WIDE, height=3.0)
        for axes, (title, value) in zip(drawing.figure.subplots(1, len(panels)), panels, strict=True):
            axes.axhline(value(whole), color=colour(7), ls="--", label="not pruned")
            for n, initial in enumerate(SPARSITIES):
                line = [one for one in results["pruned"] if one["initial"] == initial]
                xs, ys = [one["final"] for one in line], [value(one) for one in line]
                axes.plot(xs, ys, color=colour(n), marker="o", ms=3, label=f"initial {initial:g}")
            axes.set(title=title, xlabel="final sparsity", xlim=(0.15, 0.95))
        drawing.figure.axes[-1].legend(fontsize=7)
        file.write_bytes(to_png(drawing))


REPRODUCTION = Reproduction("Models of the ATmega4809 thesis over width, depth and sparsity", measure, section, draw)
