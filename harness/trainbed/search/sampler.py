# SPDX-License-Identifier: Apache-2.0
"""Asks optuna for candidates and tells it what became of them; seeded, and the same whoever carries out the runs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from trainbed.errors import MissingTool
from trainbed.search.schema import ObjectiveKeys
from trainbed.search.space import Choice, Dimension, Values

INSTALL = "pip install 'trainbed[tune]'"
_VIOLATION = "violation"


class Sampler:
    """A study in memory. What is told in the same order to the same seed is answered with the same candidates."""

    def __init__(
        self,
        kind: str,
        *,
        seed: int,
        population: int,
        dimensions: Mapping[str, Dimension],
        objectives: Mapping[str, ObjectiveKeys],
    ) -> None:
        """Raises MissingTool without optuna."""
        try:
            import optuna
        except ImportError:
            raise MissingTool("optuna", install=INSTALL, detail="searches are made with it") from None
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._optuna: Any = optuna
        self._named_constraints = hasattr(optuna.trial.Trial, "set_constraint")  # from optuna 5 on
        self._dimensions = {name: self._distribution(dimension) for name, dimension in dimensions.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._study: Any = optuna.create_study(
                directions=["maximize" if keys.goal == "max" else "minimize" for keys in objectives.values()],
                sampler=self._sampler(kind, seed, population),
            )

    def ask(self) -> tuple[Any, Values]:
        """A trial to be told of, and its values."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = self._study.ask(self._dimensions)
        return trial, dict(trial.params)

    def tell(self, trial: Any, values: Sequence[float] | None, *, violation: float = 0.0) -> None:
        """The objectives of a trial; None: nothing is known of it. ``violation``: of the limits, 0 within them."""
        if self._named_constraints:
            trial.set_constraint(_VIOLATION, violation)
        else:
            trial.set_user_attr(_VIOLATION, violation)
        if values is None:
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(trial, list(values))

    def _sampler(self, kind: str, seed: int, population: int) -> Any:
        samplers = self._optuna.samplers
        constrained = {} if self._named_constraints else {"constraints_func": _violation}
        if kind == "random":
            return samplers.RandomSampler(seed=seed)
        if kind == "tpe":
            return samplers.TPESampler(
                seed=seed,
                n_startup_trials=population,
                multivariate=True,
                constant_liar=True,
                **constrained,
            )
        return samplers.NSGAIISampler(seed=seed, population_size=population, **constrained)

    def _distribution(self, dimension: Dimension) -> Any:
        distributions = self._optuna.distributions
        if isinstance(dimension, Choice):
            return distributions.CategoricalDistribution(tuple(range(dimension.count)))
        if dimension.whole:
            return distributions.IntDistribution(
                dimension.low, dimension.high, log=dimension.log, step=dimension.by or 1
            )
        return distributions.FloatDistribution(
            float(dimension.low), float(dimension.high), log=dimension.log, step=dimension.by
        )


def _violation(trial: Any) -> tuple[float]:
    return (trial.user_attrs.get(_VIOLATION, 0.0),)
