# SPDX-License-Identifier: Apache-2.0
"""One generated function of kernel lines and what is passed to it; which kernels, the precisions know."""

from __future__ import annotations

from dataclasses import dataclass, field

from trainbed.network.layers import Layer


@dataclass
class Call:
    """One generated function and the expressions passed to it: kernel lines over named parameters."""

    layer: Layer
    verb: str
    parameters: list[tuple[str, str]] = field(default_factory=list)
    """(declaration, expression); the declaration ends with the parameter's name."""
    lines: list[str] = field(default_factory=list)

    def take(self, declaration: str, expression: str) -> str:
        """Add a parameter; its name."""
        self.parameters.append((declaration, expression))
        return declaration.replace("*", " ").split()[-1]

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for calls that one generated function can serve."""
        return (tuple(declaration for declaration, _ in self.parameters), tuple(self.lines))

    @property
    def arguments(self) -> tuple[str, ...]:
        """Expressions passed to the generated function."""
        return tuple(expression for _, expression in self.parameters)

    def definition(self, name: str) -> str:
        """The generated function."""
        signature = ", ".join(declaration for declaration, _ in self.parameters)
        body = "".join(f"    {line}\n" for line in self.lines)
        return f"static TRN_NOINLINE void {name}({signature})\n{{\n{body}}}\n"
