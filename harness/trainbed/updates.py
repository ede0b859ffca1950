# SPDX-License-Identifier: Apache-2.0
"""What dynamic updates did: the share trained in each epoch, the norms structures were chosen by, and a picture.

Watched in the twin while it trains to the same bits as the device: the device has no room for a diary.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trainbed.reference.int8.twin import Int8Twin

_CELL_WIDTH, _CELL_HEIGHT, _LEFT, _TOP, _GAP = 14, 7, 150, 28, 22


@dataclass
class UpdateDiary:
    """Kept epoch by epoch. ``norms``: layer -> mean L1 norm of each structure's error; ``kept``: layer -> share of the
    samples that trained each structure. Arrays are ``[epochs, structures]``.
    """

    share: list[float] = field(default_factory=list)
    _norms: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)
    _kept: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)
    _epoch: int = -1
    _samples: int = 0
    _before: tuple[int, int] = (0, 0)

    def watch(self, epoch: int, twin: object) -> None:
        """Take in the batch a twin has just trained."""
        assert isinstance(twin, Int8Twin)
        choices = twin.choices
        if epoch != self._epoch:
            self._close()
            self._epoch, self._samples, self._before = epoch, 0, (self._last if epoch else (0, 0))
        for name, norms in choices.norms.items():
            rows = self._norms.setdefault(name, [])
            kept = self._kept.setdefault(name, [])
            if len(rows) <= epoch:
                rows.append(np.zeros(norms.shape[1]))
                kept.append(np.zeros(norms.shape[1]))
            rows[epoch] += norms.sum(axis=0)
            kept[epoch] += choices.masks[name].sum(axis=0)
        self._samples += len(next(iter(choices.norms.values()), ()))
        self._last = (choices.kept, choices.of)

    def finish(self) -> None:
        """After the last batch."""
        self._close()

    @property
    def norms(self) -> Mapping[str, NDArray[np.float64]]:
        """Mean norms by layer."""
        return {name: np.array(rows) for name, rows in self._norms.items()}

    @property
    def kept(self) -> Mapping[str, NDArray[np.float64]]:
        """Shares of samples by layer."""
        return {name: np.array(rows) for name, rows in self._kept.items()}

    def _close(self) -> None:
        if self._epoch < 0:
            return
        kept, of = self._last[0] - self._before[0], self._last[1] - self._before[1]
        self.share.append(kept / of if of else 0.0)
        for rows in (*self._norms.values(), *self._kept.values()):
            rows[self._epoch] /= max(self._samples, 1)

    _last: tuple[int, int] = (0, 0)

    # --- files -------------------------------------------------------------------------------------------------------

    def npz(self) -> bytes:
        """``share [epochs]``, ``<layer>.norms`` and ``<layer>.kept``."""
        arrays = {"share": np.array(self.share)}
        arrays |= {f"{name}.norms": rows for name, rows in self.norms.items()}
        arrays |= {f"{name}.kept": rows for name, rows in self.kept.items()}
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **arrays)
        return stream.getvalue()

    def svg(self) -> bytes:
        """One heat map per layer, epochs from left to right, structures from top to bottom, and the share below."""
        epochs, top = len(self.share), _TOP
        parts: list[str] = []
        for name, rows in self.norms.items():
            largest = rows.max() or 1.0
            parts.append(_text(8, top + 10, name))
            parts.append(_text(8, top + 24, f"{rows.shape[1]} structures", small=True))
            for epoch, row in enumerate(rows):
                for structure, norm in enumerate(row):
                    x, y = _LEFT + epoch * _CELL_WIDTH, top + structure * _CELL_HEIGHT
                    title = f"{name} {structure}, epoch {epoch + 1}: norm {norm:.4g}"
                    parts.append(_cell(x, y, _shade(norm / largest), title))
            top += max(rows.shape[1] * _CELL_HEIGHT, 28) + _GAP
        parts.append(_text(8, top + 12, "share updated"))
        for epoch, share in enumerate(self.share):
            x = _LEFT + epoch * _CELL_WIDTH
            height = share * 40
            parts.append(
                f'<rect x="{x}" y="{top + 40 - height:.1f}" width="{_CELL_WIDTH - 2}" height="{height:.1f}"'
                f' fill="#0072b2"><title>epoch {epoch + 1}: {share:.1%}</title></rect>'
            )
        if self.share:
            parts.append(_text(8, top + 28, f"{np.mean(self.share):.1%} on average", small=True))
        width, height = _LEFT + max(epochs, 1) * _CELL_WIDTH + 20, top + 60
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
            ' font-family="sans-serif"><rect width="100%" height="100%" fill="white"/>'
        )
        title = _text(8, 16, "mean error norm of each structure, by epoch (dark: large)")
        return "\n".join([head, title, *parts, "</svg>\n"]).encode()


def _text(x: float, y: float, text: str, *, small: bool = False) -> str:
    return f'<text x="{x}" y="{y}" font-size="{10 if small else 12}" fill="#222">{text}</text>'


def _cell(x: int, y: int, colour: str, title: str) -> str:
    size = f'width="{_CELL_WIDTH}" height="{_CELL_HEIGHT}"'
    return f'<rect x="{x}" y="{y}" {size} fill="{colour}"><title>{title}</title></rect>'


def _shade(value: float) -> str:
    """White to dark blue."""
    level = [round(255 + (end - 255) * value) for end in (8, 48, 107)]
    return f"rgb({level[0]},{level[1]},{level[2]})"
