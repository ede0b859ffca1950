# SPDX-License-Identifier: Apache-2.0
"""Loss and accuracy over the epochs, several runs in one drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trainbed.report.drawing import HALF, Drawing, colour, new_drawing, percent_axis
from trainbed.report.sources import Run

_DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
MAX_CURVES = 24
"""More runs than that are drawn thin and without a legend."""


def loss_curves(runs: Sequence[Run]) -> Drawing | None:
    """Mean training loss of each epoch; None when no run has trained one."""
    curves = [(run, run.result.training.loss) for run in runs]
    values = [value for _, losses in curves for value in losses if math.isfinite(value)]
    if not values:
        return None
    logarithmic = min(values) > 0 and max(values) / min(values) > 20
    note = "Mean over the epoch's samples, taken while training" + (", logarithmic." if logarithmic else ".")
    drawing = _curves("loss", "Loss", note, curves)
    if logarithmic:
        from matplotlib.ticker import NullFormatter

        axes = drawing.figure.axes[0]
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
    return drawing


def accuracy_curves(runs: Sequence[Run]) -> Drawing | None:
    """Training accuracy of each epoch, and the accuracy on the test set after the last as a point."""
    curves = [(run, run.result.training.accuracy or ()) for run in runs]
    if not any(values for _, values in curves):
        return None
    drawing = _curves("accuracy", "Accuracy", "While training; the point is the test set after the last epoch.", curves)
    axes = drawing.figure.axes[0]
    percent_axis(axes)
    for index, run in enumerate(runs):
        if run.result.test.accuracy is not None and run.result.training.loss:
            (point,) = axes.plot(
                len(run.result.training.loss), run.result.test.accuracy, "o", color=colour(index), ms=6, clip_on=False
            )
            point.set_gid(drawing.tip(f"{run.label}: test accuracy {run.result.test.accuracy:.1%}"))
    axes.set_ylim(top=1.02)
    return drawing


def _curves(name: str, title: str, note: str, curves: Sequence[tuple[Run, Sequence[float]]]) -> Drawing:
    from matplotlib.ticker import MaxNLocator

    drawing = new_drawing(name, title, width=HALF, height=3.1, note=note)
    axes = drawing.figure.add_subplot()
    crowd = len(curves) > MAX_CURVES
    drawn = [(index, run, values) for index, (run, values) in enumerate(curves) if len(values)]
    for index, run, values in drawn:
        (line,) = axes.plot(
            range(1, len(values) + 1),
            values,
            color=colour(index),
            linestyle=_DASHES[index // 8 % len(_DASHES)],
            linewidth=0.8 if crowd else 1.7,
            label=run.label,
            marker="o" if len(values) == 1 else None,
        )
        line.set_gid(drawing.tip(run.label))
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.02)
    if len(curves) > 1 and not crowd:
        axes.legend(loc="best")
    return drawing
