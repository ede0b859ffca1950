# SPDX-License-Identifier: Apache-2.0
"""Schema 1 of a scenario: every key, its type and its bounds. The meaning of each key is in docs/scenario.md."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from trainbed.network.training import Adam, Loss, Optimizer, Sgd
from trainbed.scenario.image_network import ImageNetworkKeys, InvertedResidualsKeys, Shape
from trainbed.scenario.keys import Choice, Keys, Name, OneKey, wrong
from trainbed.scenario.layers import Extent, LayerEntry, Pair

Count = Annotated[int, Field(ge=1, le=10_000_000)]
Seed = Annotated[int, Field(ge=0, le=0xFFFFFFFF)]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Below1 = Annotated[float, Field(ge=0, lt=1)]
Backend = Literal["auto", "unicorn", "qemu", "renode", "simavr", "yasimavr", "native", "serial"]


IMAGE_NETWORKS = ("mobilenet_v2", "proxylessnas", "inverted_residuals")
_WHOLE_NETWORKS = ("onnx", *IMAGE_NETWORKS)


class NetworkKeys(Keys):
    """``network``: an input shape and layers, an image network by a few numbers, or an ONNX file."""

    input: Shape | None = None
    layers: list[LayerEntry] = Field(default_factory=list)
    mobilenet_v2: ImageNetworkKeys | None = None
    proxylessnas: ImageNetworkKeys | None = None
    inverted_residuals: InvertedResidualsKeys | None = None
    onnx: Name | None = None
    classes: Extent | None = None
    trainable_last: Annotated[int, Field(ge=1, le=10_000)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _layers_or_a_whole_network(cls, value: Any) -> Any:
        value = {} if value is None else value
        if not isinstance(value, dict) or not value.keys() <= set(cls.key_names()):
            return value
        whole = [key for key in _WHOLE_NETWORKS if key in value]
        others = [*whole, *(key for key in ("input", "layers") if key in value)]
        if whole and len(others) > 1:
            text = f"'{whole[0]}' is a whole network; '{others[1]}' cannot stand beside it"
            raise PydanticCustomError("wrong", "{text}", {"text": text})
        if "classes" in value and "onnx" not in value:
            text = "'classes' beside the network is for an ONNX file: it replaces the head"
            raise PydanticCustomError("wrong", "{text}", {"text": text})
        for key in () if whole else ("input", "layers"):
            if not value.get(key):
                text = f"'{key}' is missing" if key not in value else f"'{key}' is empty"
                raise PydanticCustomError("wrong", "{text}", {"text": text})
        return value


Decay = Annotated[float, Field(gt=0, le=1)]


class SgdKeys(Keys):
    """``sgd {lr, momentum, decay}``."""

    lr: Positive
    momentum: Below1 = 0.0
    decay: Decay = 1.0


class AdamKeys(Keys):
    """``adam {lr, beta1, beta2, eps, decay}``."""

    lr: Positive = 0.001
    beta1: Below1 = 0.9
    beta2: Below1 = 0.999
    eps: Positive = 1e-7
    decay: Decay = 1.0


class OptimizerKeys(OneKey):
    """``optimizer``: one of sgd, adam."""

    _what = "optimizer"

    sgd: SgdKeys | None = None
    adam: AdamKeys | None = None


class TrainingKeys(Keys):
    """``training``."""

    precision: Literal["float32", "uint8", "mixed", "int8_pow2", "int8_qas"] = "float32"
    fused: bool = False
    loss: Choice[Loss]
    optimizer_keys: OptimizerKeys = Field(alias="optimizer")
    epochs: Annotated[int, Field(ge=0, le=1_000_000)]
    batch_size: Annotated[int, Field(ge=1, le=65535)]
    shuffle: bool = True
    seed: Seed = 1
    head: Literal["float32", "same"] = "same"

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer with all its values."""
        sgd, adam = self.optimizer_keys.sgd, self.optimizer_keys.adam
        if sgd is not None:
            return Sgd(lr=sgd.lr, momentum=sgd.momentum, decay=sgd.decay)
        assert adam is not None  # exactly one is given
        return Adam(lr=adam.lr, beta1=adam.beta1, beta2=adam.beta2, eps=adam.eps, decay=adam.decay)


class GeneratedData(Keys):
    """``data: {generate: lines | sensor}``. ``seed`` defaults to the training's."""

    generate: Literal["lines", "sensor"]
    size: Annotated[int, Field(ge=4, le=256)] | None = None
    channels: Annotated[int, Field(ge=1, le=64)] | None = None
    train: Count = 48
    test: Count = 24
    noise: Annotated[float, Field(ge=0, le=10)] = 0.0
    seed: Seed | None = None

    @model_validator(mode="after")
    def _size_is_for_images(self) -> GeneratedData:
        if self.generate == "sensor" and (self.size is not None or self.channels is not None):
            text = "'size' and 'channels' are for lines; sensor data are two readings"
            raise PydanticCustomError("wrong", "{text}", {"text": text})
        return self


def _groups(value: Any) -> Any:
    return [[entry] if isinstance(entry, int) else entry for entry in value] if isinstance(value, list) else value


def _distinct(value: list[list[int]]) -> list[list[int]]:
    labels = [label for group in value for label in group]
    if len(set(labels)) < len(labels):
        raise PydanticCustomError("wrong", "{text}", {"text": "a class stands twice in the list"})
    return value


Label = Annotated[int, Field(ge=0, le=65535)]
Classes = Annotated[
    list[Annotated[list[Label], Field(min_length=1)]],
    Field(min_length=2),
    BeforeValidator(_groups),
    AfterValidator(_distinct),
]
"""Labels to keep, each alone or several made one class; the classes are numbered in this order."""


class SklearnData(Keys):
    """``data: {sklearn: digits | iris | wine | breast_cancer}``; needs scikit-learn."""

    sklearn: Literal["digits", "iris", "wine", "breast_cancer"]
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    classes: Classes | None = None
    train: Count | None = None
    test: Count | None = None
    seed: Seed | None = None


class NpzData(Keys):
    """``data: {npz: path}``: x_train, y_train, x_test, y_test; the path is relative to the scenario."""

    npz: Name
    classes: Classes | None = None
    train: Count | None = None
    test: Count | None = None
    scale: float | None = None
    offset: float | None = None
    fit: bool = False
    grey: bool = False


_SOURCES = ("generate", "sklearn", "npz")


def _source(value: Any) -> str:
    if isinstance(value, Keys):
        value = value.model_dump()
    if isinstance(value, dict):
        return next((f"<{key}>" for key in _SOURCES if key in value), "<generate>")
    return "<generate>"


DataKeys = Annotated[
    Annotated[GeneratedData, Tag("<generate>")]
    | Annotated[SklearnData, Tag("<sklearn>")]
    | Annotated[NpzData, Tag("<npz>")],
    Discriminator(_source),
]


class Bound(Keys):
    """``{min: x}``, ``{max: x}`` or both."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _has_an_edge(self) -> Bound:
        if self.min is None and self.max is None:
            raise PydanticCustomError("wrong", "{text}", {"text": "expected {min: x} or {max: x}"})
        if self.min is not None and self.max is not None and self.min > self.max:
            text = f"min {self.min:g} is larger than max {self.max:g}: nothing can pass"
            raise PydanticCustomError("wrong", "{text}", {"text": text})
        return self


class Decrease(Keys):
    """``{by: x}``: 1 - last / first epoch mean is at least x."""

    by: Annotated[float, Field(gt=0, le=1)]


class UlpBound(Keys):
    """``{ulp: n}``."""

    ulp: Annotated[int, Field(ge=0, le=1 << 24)]


def _agreement(value: Any) -> Any:
    if isinstance(value, str) and value != "exact":
        raise wrong("exact or {ulp: n}", value)
    return value


class ExpectKeys(Keys):
    """``expect``: what the run must show to pass. Every key may be left out."""

    loss_decreases: Decrease | None = None
    final_loss: Bound | None = None
    test_accuracy: Bound | None = None
    balanced_accuracy: Bound | None = None
    matches_reference: (
        Annotated[
            Annotated[Literal["exact"], Tag("<exact>")] | Annotated[UlpBound, Tag("<ulp>")],
            Discriminator(lambda value: "<exact>" if isinstance(value, str) else "<ulp>"),
            BeforeValidator(_agreement),
        ]
        | None
    ) = None
    training_memory_bytes: Bound | None = None
    ram_bytes: Bound | None = None
    flash_bytes: Bound | None = None
    stack_bytes: Bound | None = None
    cycles_per_sample: Bound | None = None
    cycles_per_inference: Bound | None = None
    energy_uj_per_sample: Bound | None = None


class QuantisationKeys(Keys):
    """``quantisation``."""

    ranges: Literal["ema", "static"] = "ema"
    rounding: Literal["stochastic", "nearest"] = "stochastic"
    standardise: bool = True
    error_range: Literal["fixed", "ema"] = "ema"
    accumulators: Literal["int32", "int16"] = "int32"
    calibration_samples: Count = 64
    centre_head: bool = False
    skip_zeros: bool = False


class DynamicUpdate(Keys):
    """``update: {dynamic: ...}``."""

    lambda_min: Fraction = 0.1
    lambda_max: Fraction = 1.0
    exempt_head: bool = True


class SparseUpdate(Keys):
    """``update: {sparse: ...}``: ``weights`` maps a layer to the share of its weights that is trained."""

    biases_of_last: Annotated[int, Field(ge=0, le=10_000)] = 0
    weights: dict[Name, Fraction] = Field(default_factory=dict)


class UpdateKeys(Keys):
    """``update``: dynamic, sparse or budget_bytes."""

    dynamic: DynamicUpdate | None = None
    sparse: SparseUpdate | None = None
    budget_bytes: Count | None = None


def _update(value: Any) -> Any:
    if isinstance(value, str) and value != "all":
        raise wrong("all, {dynamic: ..}, {sparse: ..} or {budget_bytes: n}", value)
    return value


class PruneKeys(Keys):
    """``prune``: sparsity of the weights while the host pre-trains."""

    initial: Below1 = 0.0
    final: Below1
    steps: Count

    @model_validator(mode="after")
    def _rises(self) -> PruneKeys:
        if self.initial > self.final:
            text = f"initial {self.initial:g} is larger than final {self.final:g}: sparsity rises"
            raise PydanticCustomError("wrong", "{text}", {"text": text})
        return self


class AugmentKeys(Keys):
    """``augment``."""

    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    width_shift: Fraction = 0.0
    height_shift: Fraction = 0.0
    shear: Annotated[float, Field(ge=0, lt=90)] = 0.0
    zoom: Below1 = 0.0
    horizontal_flip: bool = False
    fill: Literal["nearest", "constant", "reflect", "wrap"] = "nearest"
    balance: bool = False
    per_class: Count | None = None
    test_per_class: Count | None = None

    @model_validator(mode="after")
    def _balances_once(self) -> AugmentKeys:
        if self.balance and self.per_class is not None:
            raise PydanticCustomError("wrong", "{text}", {"text": "per_class balances already; leave 'balance' out"})
        return self


class ProgressiveKeys(Keys):
    """``pretrain.progressive``: the first ``epochs`` epochs on images of ``size`` (a number or [h, w])."""

    size: Pair
    epochs: Annotated[int, Field(ge=1, le=1_000_000)]


class PretrainKeys(TrainingKeys):
    """``pretrain``: training on the host, with its own data."""

    epochs: Annotated[int, Field(ge=1, le=1_000_000)]
    data: DataKeys
    engine: Literal["auto", "native", "numpy"] = "auto"
    reset_last: Annotated[int, Field(ge=0, le=10_000)] | None = None
    augment: AugmentKeys | None = None
    progressive: ProgressiveKeys | None = None

    @model_validator(mode="after")
    def _smaller_images_are_first(self) -> PretrainKeys:
        if self.progressive is not None and self.progressive.epochs > self.epochs:
            text = f"progressive.epochs is {self.progressive.epochs}, there are {self.epochs} epochs in all"
            raise PydanticCustomError("wrong", "{text}", {"text": text})
        return self


Technique = Literal["patches", "in_place", "fused_pools", "tiles", "bits", "receive", "flash", "pruned"]


class BuildKeys(Keys):
    """``build``."""

    optimize: Literal["O0", "O1", "O2", "O3", "Os", "Og"] = "O2"
    flash_budget_bytes: Count | None = None
    techniques: list[Technique] | None = None
    """Of the 8-bit planner, all if not given; planner.int8.techniques says what each does."""


class FaultKeys(Keys):
    """``link.faults``: probability, per transfer and direction, of each kind of link.faults.FaultRates; seeded."""

    bit_flip: Fraction = 0.0
    burst: Fraction = 0.0
    drop: Fraction = 0.0
    duplicate: Fraction = 0.0
    swap: Fraction = 0.0
    truncate: Fraction = 0.0
    insert: Fraction = 0.0
    zero: Fraction = 0.0
    lose: Fraction = 0.0
    repeat: Fraction = 0.0
    seed: Seed = 1


class LinkKeys(Keys):
    """``link``."""

    baud: Annotated[int, Field(ge=300, le=100_000_000)] | None = None
    dataset: Literal["resident", "stream"] | None = None
    faults: FaultKeys | None = None


class BudgetKeys(Keys):
    """``budget``: the most one run may spend; cycles and steps in guest time, wall_s is the safety net."""

    cycles: Annotated[int, Field(ge=1, le=1 << 62)] | None = None
    steps: Annotated[int, Field(ge=1, le=1 << 62)] | None = None
    wall_s: Positive | None = None


class WeightsKeys(Keys):
    """``weights: {npz: path}``: initial values."""

    npz: Name


class ScenarioKeys(Keys):
    """The whole scenario."""

    schema_version: Annotated[int, Field(alias="schema")]
    name: Name
    board: Name
    backend: Backend = "auto"
    network: NetworkKeys
    weights: WeightsKeys | None = None
    training: TrainingKeys
    data: DataKeys
    expect: ExpectKeys = Field(default_factory=ExpectKeys)
    quantisation: QuantisationKeys | None = None
    update: Annotated[
        Annotated[Literal["all"], Tag("<all>")] | Annotated[UpdateKeys, Tag("<update>")],
        Discriminator(lambda value: "<all>" if isinstance(value, str) else "<update>"),
        BeforeValidator(_update),
    ] = "all"
    pretrain: PretrainKeys | None = None
    prune: PruneKeys | None = None
    augment: AugmentKeys | None = None
    build: BuildKeys = Field(default_factory=BuildKeys)
    link: LinkKeys = Field(default_factory=LinkKeys)
    budget: BudgetKeys = Field(default_factory=BudgetKeys)
