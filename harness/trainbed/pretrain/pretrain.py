# SPDX-License-Identifier: Apache-2.0
"""From a scenario to pre-trained weights: what the host trains, by which engine, and what of it is deployed."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from trainbed.data.load import Unfitted, load_unfitted
from trainbed.errors import NetworkError
from trainbed.link.samples import SampleSet
from trainbed.network.layers import Kind, Network
from trainbed.planner.parameters import Arrays
from trainbed.pretrain import native_engine, numpy_process
from trainbed.pretrain.course import HostCourse, Outcome, Pairs
from trainbed.pretrain.events import PretrainDone, Tell
from trainbed.pretrain.prune import Schedule, sparsity_of
from trainbed.reference.random import initial_weights
from trainbed.result import npz_bytes
from trainbed.scenario.network import Resolved, resolve_network
from trainbed.scenario.scenario import Scenario, with_line
from trainbed.scenario.schema import NpzData, PretrainKeys
from trainbed.toolchain.cache import discard, entry_path, new_entry, publish
from trainbed.weights import named, pairs_of

_KIND = "pretrain"
_VERSION = 1
"""Raised when the same inputs would give other weights."""
_WEIGHTS, _RECORD = "weights.npz", "record.json"


@dataclass(frozen=True)
class Record:
    """What pre-training showed. ``accuracy`` and ``test_accuracy`` are None without labels.

    ``sparsity``: share of zeros among the weights (biases aside) of each layer, ``sparsity_total`` of all.
    """

    engine: str
    loss: tuple[float, ...]
    accuracy: tuple[float, ...] | None
    test_loss: float | None
    test_accuracy: float | None
    sparsity: dict[str, float]
    sparsity_total: float
    reset: tuple[str, ...]
    """Layers that start anew on the device."""

    def to_json(self) -> str:
        """The text of pretrain.json."""
        return json.dumps(asdict(self), indent=2, allow_nan=False) + "\n"


@dataclass(frozen=True, eq=False)
class Pretrained:
    """Weights the device starts from, and how they came about.

    ``source``: the network the host trained, ``source_weights`` its weights: the head may have had more outputs.
    """

    weights: Pairs
    source: Network
    source_weights: Pairs
    record: Record
    cached: bool


def pretrain(scenario: Scenario, resolved: Resolved, *, initial: Arrays | None, tell: Tell) -> Pretrained:
    """Train the scenario's network on the host, or find it trained in the cache.

    ``initial``: weights of the deployed network to start from, by name; None: the seeded generator's.
    Raises ScenarioError at the line of ``pretrain``, MissingTool, BuildError, GuestError.
    """
    keys = scenario.pretrain
    assert keys is not None  # the caller asks only then
    with with_line(scenario, "pretrain.data"):
        source = _load(scenario, keys, resolved.network)
    with with_line(scenario, "pretrain"):
        course = _course(scenario, keys, resolved, source, initial)
        course.check()
    reset = _reset_names(scenario, keys, course.network, resolved.network)
    only_numpy = bool(course.normalised) or course.prune is not None or course.small is not None
    numpy = keys.engine == "numpy" or only_numpy
    built = None if numpy else native_engine.build(course, scenario)
    tool = f"numpy {np.__version__}" if built is None else built.firmware.image.sha256
    key = _key(course, tool)
    outcome = _find(key, course.network)
    cached = outcome is not None
    if outcome is None:
        outcome = numpy_process.train(course, tell) if built is None else native_engine.train(course, built, tell)
        if outcome.diverged is not None or not _all_finite(outcome.weights):
            at = "at its end" if outcome.diverged is None else f"in epoch {outcome.diverged + 1}"
            raise scenario.error(f"pre-training diverged {at}; a smaller learning rate may help", "pretrain.optimizer")
        _keep(key, course.network, outcome)
    record = _record("numpy" if numpy else "native", outcome, course.network, reset)
    tell(PretrainDone(record.engine, record.test_accuracy, record.sparsity_total, reset, cached))
    return Pretrained(
        weights=_deployed(outcome.weights, resolved.network, reset, seed=scenario.training.seed),
        source=course.network,
        source_weights=outcome.weights,
        record=record,
        cached=cached,
    )


def _load(scenario: Scenario, keys: PretrainKeys, network: Network) -> Unfitted:
    def load(n_outputs: int | None) -> Unfitted:
        return load_unfitted(
            keys.data,
            network.input_shape,
            n_outputs=n_outputs,
            loss=keys.loss,
            base_dir=scenario.base_dir,
            seed=keys.seed,
        )

    source = load(None)
    binary = network.output_size == 1 and source.data.n_outputs == 2 and source.data.has_accuracy
    return load(1) if binary else source


def _course(
    scenario: Scenario,
    keys: PretrainKeys,
    resolved: Resolved,
    source: Unfitted,
    initial: Arrays | None,
) -> HostCourse:
    network = _source_network(resolved.network, source.data.n_outputs)
    start = initial_weights(network, keys.seed)
    if initial is not None:
        given = pairs_of(resolved.network, initial)
        start = [own if own[0].shape != theirs[0].shape else theirs for own, theirs in zip(start, given, strict=True)]
    prune = scenario.prune
    return HostCourse(
        network=network,
        source=source,
        keys=keys,
        initial=start,
        normalised=resolved.normalised,
        prune=Schedule(prune.initial, prune.final, prune.steps) if prune is not None else None,
        small=_small_network(scenario, keys, network),
    )


def _small_network(scenario: Scenario, keys: PretrainKeys, network: Network) -> Network | None:
    """The network for the smaller images of ``progressive``. Raises ScenarioError where it has other weights then."""
    if keys.progressive is None:
        return None
    shape = (*keys.progressive.size, network.input_shape[2])
    if scenario.network.onnx is not None or not isinstance(keys.data, NpzData) or not keys.data.fit:
        text = "images of another size need a network of the scenario's own layers and data with 'fit: true'"
        raise scenario.error(text, "pretrain.progressive")
    with with_line(scenario, "pretrain.progressive"):
        resolved = resolve_network(replace(scenario, network=replace(scenario.network, input_shape=shape)))
        small = _source_network(resolved, network.output_size)
    for layer, other in zip(network.parametric, small.parametric, strict=True):
        if layer.weight_shape != other.weight_shape:
            text = f"'{layer.name}' has other weights with images of {shape[0]}x{shape[1]}: average its inputs first"
            raise scenario.error(text, "pretrain.progressive")
    return small


def _source_network(network: Network, n_outputs: int) -> Network:
    """All layers trainable, and a head for ``n_outputs``."""
    layers = [replace(layer, trainable=True) for layer in network.layers]
    head = layers[-1]
    if head.out_size != n_outputs:
        if head.kind is not Kind.DENSE:
            raise NetworkError(
                f"the pre-training data have {n_outputs} classes, the network {head.out_size}; "
                "only a dense head can be replaced",
                layer=head.name,
            )
        layers[-1] = replace(head, out_shape=(1, 1, n_outputs))
    return replace(network, layers=tuple(layers))


def _reset_names(scenario: Scenario, keys: PretrainKeys, source: Network, network: Network) -> tuple[str, ...]:
    """Layers that are not taken over: the last ones, as many as asked for."""
    other_head = source.output_size != network.output_size
    n = int(other_head) if keys.reset_last is None else keys.reset_last
    names = [layer.name for layer in network.parametric]
    if n > len(names):
        raise scenario.error(f"{n} layers are to start anew, {len(names)} have weights", "pretrain.reset_last")
    if other_head and n == 0:
        raise scenario.error(
            f"the pre-training data have {source.output_size} classes, the network {network.output_size} outputs: "
            "the head starts anew, reset_last is at least 1",
            "pretrain.reset_last",
        )
    return tuple(names[len(names) - n :])


def _deployed(weights: Pairs, network: Network, reset: tuple[str, ...], *, seed: int) -> Pairs:
    fresh = initial_weights(network, seed)
    chosen = [
        new if layer.name in reset else old for layer, new, old in zip(network.parametric, fresh, weights, strict=True)
    ]
    return [(w + np.float32(0), b + np.float32(0)) for w, b in chosen]  # -0 becomes +0: docs/numerics.md


def _all_finite(weights: Pairs) -> bool:
    return all(bool(np.isfinite(array).all()) for pair in weights for array in pair)


def _record(engine: str, outcome: Outcome, network: Network, reset: tuple[str, ...]) -> Record:
    arrays = {layer.name: w for layer, (w, _) in zip(network.parametric, outcome.weights, strict=True)}
    return Record(
        engine=engine,
        loss=outcome.losses,
        accuracy=outcome.accuracies,
        test_loss=outcome.test_loss,
        test_accuracy=outcome.test_accuracy,
        sparsity={name: sparsity_of([w]) for name, w in arrays.items()},
        sparsity_total=sparsity_of(list(arrays.values())),
        reset=reset,
    )


# --- cache -----------------------------------------------------------------------------------------------------------


def _key(course: HostCourse, tool: str) -> str:
    """Everything the weights depend on; images as they are before they are resized, which takes longer than to hash."""
    digest = hashlib.sha256()
    data = course.source.data
    told: dict[str, Any] = {
        "version": _VERSION,
        "tool": tool,
        "network": repr(course.network),
        "keys": course.keys.model_dump_json(exclude={"data", "engine", "reset_last", "progressive"}),
        "normalised": sorted(course.normalised),
        "prune": repr(course.prune),
        "scale": [float(data.x_scale), float(data.x_offset)],
    }
    if course.source.shape != course.network.input_shape:
        told["images"] = list(course.source.shape)
    if course.keys.progressive is not None:
        told["progressive"] = course.keys.progressive.model_dump_json()
    digest.update(json.dumps(told, sort_keys=True).encode())
    for pair in course.initial:
        for array in pair:
            digest.update(array.tobytes())
    for samples in (data.train, data.test):
        _hash_samples(digest, samples)
    return digest.hexdigest()


def _hash_samples(digest: Any, samples: SampleSet) -> None:
    for array in (samples.x, samples.labels, samples.values):
        if array is not None:
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())


def _find(key: str, network: Network) -> Outcome | None:
    """What the cache holds under a key; a damaged entry is removed."""
    entry = entry_path(_KIND, key)
    if not entry.is_dir():
        return None
    try:
        # np.load would leave a damaged file open that it opened itself.
        with (entry / _WEIGHTS).open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            weights = pairs_of(network, archive)
        told = json.loads((entry / _RECORD).read_text(encoding="utf-8"))
        accuracies = told["accuracies"]
        return Outcome(
            weights,
            tuple(told["losses"]),
            tuple(accuracies) if accuracies is not None else None,
            told["test_loss"],
            told["test_accuracy"],
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        discard(entry)
        return None


def _keep(key: str, network: Network, outcome: Outcome) -> None:
    told = {
        "losses": outcome.losses,
        "accuracies": outcome.accuracies,
        "test_loss": outcome.test_loss,
        "test_accuracy": outcome.test_accuracy,
    }
    with new_entry(_KIND) as folder:
        (folder / _WEIGHTS).write_bytes(npz_bytes(named(network, outcome.weights)))
        (folder / _RECORD).write_text(json.dumps(told), encoding="utf-8")
        publish(folder, _KIND, key)
