# SPDX-License-Identifier: Apache-2.0
"""C identifiers for layers: unique, readable, the layer's own name where it can be."""

from __future__ import annotations

import re


class NameTable:
    """Gives each layer name one C identifier, always the same within a table."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def of(self, layer: str) -> str:
        """Identifier of a layer; names that differ only in characters C does not know get a number."""
        if layer not in self._names:
            base = re.sub(r"\W", "_", layer, flags=re.ASCII)
            name, number = base, 2
            while name in self._names.values():
                name, number = f"{base}_{number}", number + 1
            self._names[layer] = name
        return self._names[layer]
