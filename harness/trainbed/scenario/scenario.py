# SPDX-License-Identifier: Apache-2.0
"""A checked scenario: the value everything after it works from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from trainbed.errors import InputError, NetworkError, ScenarioError
from trainbed.network.precision import FLOAT32, DynamicUpdate, Precision, Quantisation, SparseUpdate, Update
from trainbed.scenario.document import Document, KeyPath
from trainbed.scenario.layers import LayerSpec
from trainbed.scenario.schema import (
    AugmentKeys,
    BudgetKeys,
    BuildKeys,
    ExpectKeys,
    GeneratedData,
    LinkKeys,
    NpzData,
    PretrainKeys,
    PruneKeys,
    QuantisationKeys,
    SklearnData,
    TrainingKeys,
    UpdateKeys,
    WeightsKeys,
)


@dataclass(frozen=True)
class NetworkSpec:
    """The network a scenario asks for; ``input_shape`` is (H, W, C): a series is (1, T, C), a vector (1, 1, n)."""

    input_shape: tuple[int, int, int]
    layers: tuple[LayerSpec, ...]
    trainable_last: int | None = None
    """Only so many layers with weights, counted from the end, are trained on the device; None: each says so itself."""
    onnx: str | None = None
    """An ONNX file in place of input and layers, which are empty then."""
    classes: int | None = None
    """Units of a fresh head in place of the ONNX file's; None: the file's own."""


@dataclass(frozen=True)
class Scenario:
    """A scenario of schema 1, checked. Immutable; equal scenarios ask for the same run."""

    name: str
    board: str
    """Name of a board, or path of a file that describes one."""
    backend: str
    """``auto`` or the name of a backend."""
    network: NetworkSpec
    training: TrainingKeys
    data: GeneratedData | SklearnData | NpzData
    expect: ExpectKeys
    build: BuildKeys
    link: LinkKeys
    budget: BudgetKeys
    weights: WeightsKeys | None
    quantisation: QuantisationKeys
    update: UpdateKeys | None
    """None: everything that is trainable is trained."""
    pretrain: PretrainKeys | None
    prune: PruneKeys | None
    augment: AugmentKeys | None
    document: Document = field(repr=False, compare=False)

    @property
    def precision(self) -> Precision:
        """The numbers it is trained in."""
        training, keys = self.training, self.quantisation
        update: Update = None
        if self.update is not None and self.update.dynamic is not None:
            update = DynamicUpdate(**self.update.dynamic.model_dump())
        elif self.update is not None and self.update.sparse is not None:
            update = SparseUpdate(self.update.sparse.biases_of_last, dict(self.update.sparse.weights))
        if training.precision == "float32" and update is None:
            return FLOAT32
        values = keys.model_dump(exclude={"calibration_samples"})
        return Precision(
            name=training.precision,
            float_head=training.head == "float32",
            quantisation=Quantisation(**values),
            update=update,
            seed=training.seed,
        )

    @property
    def file(self) -> Path | None:
        """The file it was read from."""
        return self.document.file

    @property
    def base_dir(self) -> Path:
        """The folder relative paths in the scenario start from."""
        return self.file.parent if self.file is not None else Path()

    def line_of(self, path: str) -> int | None:
        """1-based line of a dotted path such as ``network.layers.3``; None when an override set it."""
        return self.document.line_of(_steps(path))

    def error(self, message: str, path: str) -> ScenarioError:
        """A ScenarioError that points at a dotted path."""
        return self.document.error(message, _steps(path))


@contextmanager
def with_line(scenario: Scenario, path: str) -> Iterator[None]:
    """Point every InputError raised inside at a dotted path of the scenario; a NetworkError at the layer it names."""
    try:
        yield
    except ScenarioError:
        raise
    except InputError as error:
        names = [layer.name for layer in scenario.network.layers]
        if isinstance(error, NetworkError) and error.layer in names:
            path = f"network.layers.{names.index(error.layer)}"
        raise scenario.error(str(error), path) from error


def _steps(path: str) -> KeyPath:
    return tuple(int(step) if step.isdecimal() else step for step in path.split(".") if step)
