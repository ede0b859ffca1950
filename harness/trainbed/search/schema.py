# SPDX-License-Identifier: Apache-2.0
"""Schema 1 of a search's file. The meaning of each key is in docs/search.md."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from trainbed.scenario.keys import Keys, Name
from trainbed.scenario.schema import Bound, Seed
from trainbed.sweep.schema import Base, Number

Score = Literal["synflow", "naswot"]


class ObjectiveKeys(Keys):
    """``{goal, worst, best}``: what is sought, and the values between which it counts."""

    goal: Literal["min", "max"]
    worst: Number
    best: Number | None = None

    @model_validator(mode="after")
    def _best_is_better(self) -> ObjectiveKeys:
        if self.sign * (self.ideal - self.worst) <= 0:
            text = f"best {self.ideal:g} must be {'above' if self.goal == 'max' else 'below'} worst {self.worst:g}"
            raise PydanticCustomError("wrong", "{text}", {"text": text})
        return self

    @property
    def sign(self) -> int:
        """1 where more is better, else -1."""
        return 1 if self.goal == "max" else -1

    @property
    def ideal(self) -> float:
        """``best``; 1 for what is to be large, 0 for what is to be small."""
        return self.best if self.best is not None else 1.0 if self.goal == "max" else 0.0

    def gain(self, value: float) -> float:
        """0 at worst and beyond, 1 at best and beyond."""
        return min(max((value - self.worst) / (self.ideal - self.worst), 0.0), 1.0)


class ProxyKeys(Keys):
    """``proxy {candidates, scores, samples}``."""

    candidates: Annotated[int, Field(ge=1, le=100)] = 4
    scores: list[Score] = Field(default=["synflow", "naswot"], min_length=1)
    samples: Annotated[int, Field(ge=2, le=512)] = 32


class AveragedKeys(Keys):
    """``averaged {seeds, board}``."""

    seeds: list[Seed] = Field(min_length=2, max_length=100)
    board: str = "native"

    @model_validator(mode="after")
    def _no_seed_counts_twice(self) -> AveragedKeys:
        if len(set(self.seeds)) < len(self.seeds):
            raise PydanticCustomError("wrong", "{text}", {"text": "a seed stands twice"})
        return self


class SearchKeys(Keys):
    """The whole file."""

    schema_version: Annotated[int, Field(alias="schema")]
    name: Name
    scenario: Base
    set_: dict[str, Any] = Field(alias="set", default_factory=dict)
    space: dict[str, Any] = Field(min_length=1)
    sampler: Literal["nsga2", "tpe", "random"] = "nsga2"
    trials: Annotated[int, Field(ge=1, le=100_000)]
    batch: Annotated[int, Field(ge=1, le=1000)] = 20
    seed: Seed = 1
    objectives: dict[str, ObjectiveKeys] = Field(min_length=1, max_length=6)
    limits: dict[str, Bound] = Field(default_factory=dict)
    averaged: AveragedKeys | None = None
    proxy: ProxyKeys = Field(default_factory=ProxyKeys)
