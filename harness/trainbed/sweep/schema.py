# SPDX-License-Identifier: Apache-2.0
"""Schema 1 of a sweep's file. The meaning of each key is in docs/sweep.md."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from trainbed.scenario.keys import Keys, Name, wrong
from trainbed.scenario.schema import Seed

Number = int | float
Runs = Annotated[int, Field(ge=1, le=100_000)]


class RangeKeys(Keys):
    """``{from, to, by | steps, log}``."""

    low: Number = Field(alias="from")
    high: Number = Field(alias="to")
    by: Annotated[Number, Field(gt=0)] | None = None
    steps: Annotated[int, Field(ge=2, le=100_000)] | None = None
    log: bool = False

    @model_validator(mode="after")
    def _is_a_range(self) -> RangeKeys:
        text = None
        if self.low >= self.high:
            text = f"from {self.low:g} must be smaller than to {self.high:g}"
        elif self.by is not None and (self.steps is not None or self.log):
            text = "'by' goes without 'steps' and 'log'"
        elif self.log and self.low <= 0:
            text = f"a logarithmic range starts above 0, not at {self.low:g}"
        if text is not None:
            raise PydanticCustomError("wrong", "{text}", {"text": text})
        return self

    @property
    def whole(self) -> bool:
        """Between whole numbers lie whole numbers."""
        return all(isinstance(value, int) for value in (self.low, self.high, self.by or 1))


def _values(value: Any) -> Any:
    if isinstance(value, list) and not value:
        raise wrong("at least one value", value)
    if not isinstance(value, list | dict | Keys):
        raise wrong("a list of values or {from: a, to: b}", value)
    return value


AxisKeys = Annotated[
    Annotated[list[Any], Tag("<list>")] | Annotated[RangeKeys, Tag("<range>")],
    Discriminator(lambda value: "<list>" if isinstance(value, list) else "<range>"),
    BeforeValidator(_values),
]


class RandomKeys(Keys):
    """``random {count, seed}``."""

    count: Runs
    seed: Seed = 1


class MethodKeys(Keys):
    """``method``: grid, or ``{random: ..}``."""

    random: RandomKeys


def _method(value: Any) -> Any:
    if isinstance(value, str) and value != "grid":
        raise wrong("grid or {random: {count: n}}", value)
    return value


def _base(value: Any) -> Any:
    if not isinstance(value, str | dict):
        raise wrong("the path of a scenario, or a scenario", value)
    return value


Base = Annotated[Any, BeforeValidator(_base)]
"""``scenario``: a path, a name, or a whole scenario."""


class SweepKeys(Keys):
    """The whole file."""

    schema_version: Annotated[int, Field(alias="schema")]
    name: Name
    scenario: Base
    set_: dict[str, Any] = Field(alias="set", default_factory=dict)
    axes: dict[str, AxisKeys] = Field(min_length=1)
    method: Annotated[
        Annotated[Literal["grid"], Tag("<grid>")] | Annotated[MethodKeys, Tag("<random>")],
        Discriminator(lambda value: "<grid>" if isinstance(value, str) else "<random>"),
        BeforeValidator(_method),
    ] = "grid"
    repeat: Runs = 1
    exclude: list[dict[str, Any]] = Field(default_factory=list)
