# SPDX-License-Identifier: Apache-2.0
"""Finds firmware/, platforms/ and scenarios/: in the checkout, or inside an installed wheel (trainbed/_assets)."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parents[1]


def asset_path(name: str) -> Path:
    """Folder ``firmware``, ``platforms`` or ``scenarios``.

    Raises FileNotFoundError when neither a checkout nor an installed wheel holds it: the installation is broken.
    """
    for root in (_PACKAGE / "_assets", _CHECKOUT):
        if (root / name).is_dir():
            return root / name
    raise FileNotFoundError(f"trainbed is installed without its {name}/ folder; reinstall the package")
