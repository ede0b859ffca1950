# SPDX-License-Identifier: Apache-2.0
"""The functions of a model.c: one for each distinct kernel call, made when the first statement needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from trainbed.network.layers import Layer


class AnyCall(Protocol):
    """A kernel call of any precision."""

    @property
    def layer(self) -> Layer:
        """What it computes."""

    @property
    def verb(self) -> str:
        """What it does of the layer: ``forward``, ``backward_input`` and so on."""

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for calls that one function can serve."""

    @property
    def arguments(self) -> Sequence[str]:
        """Expressions passed to that function."""

    def definition(self, name: str) -> str:
        """That function."""


class Functions:
    """Definitions in the order of their first use, and who uses them."""

    def __init__(self, name_of: Callable[[Layer], str]) -> None:
        """``name_of``: a layer's name as an identifier of C."""
        self._name_of = name_of
        self._names: dict[tuple[object, ...], str] = {}
        self.definitions: list[str] = []
        self.users: dict[str, tuple[str, list[str]]] = {}
        """Name of a function -> its verb, and the layer of every call of it."""

    def emit(self, call: AnyCall) -> str:
        """Statement that makes a call, through the function made for its shape and fixed numbers."""
        name = self._names.get(call.key)
        if name is None:
            name = self._names[call.key] = f"{self._name_of(call.layer)}_{call.verb}"
            self.add(name, call.verb, call.definition(name))
        self.users[name][1].append(call.layer.name)
        return f"{name}({', '.join(call.arguments)});"

    def add(self, name: str, verb: str, definition: str, *layers: str) -> None:
        """A function of its own, used by ``layers``."""
        self.definitions.append(definition)
        self.users[name] = (verb, list(layers))


def function(signature: str, body: Sequence[str]) -> str:
    """A C function."""
    return signature + "\n{\n" + "".join(f"    {line}\n" for line in body) + "}\n"
