# SPDX-License-Identifier: Apache-2.0
"""From a scenario to pre-trained weights: what the host trains, by which engine, and what of it is deployed."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from trainbed.data.augment import augmentation_of, sets_of
from trainbed.data.load import Data, load_data
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
from trainbed.scenario.network import Resolved
from trainbed.scenario.scenario import Scenario, with_line
from trainbed.scenario.schema import PretrainKeys
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
        data = _load(scenario, keys, resolved.network)
    with with_line(scenario, "pretrain"):
        course = _course(scenario, keys, resolved, data, initial)
    reset = _reset_names(scenario, keys, course.network, resolved.network)
    numpy = keys.engine == "numpy" or bool(course.normalised) or course.prune is not None
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


def _load(scenario: Scenario, keys: PretrainKeys, network: Network) -> Data:
    data = load_data(
        keys.data, network.input_shape, n_outputs=None, loss=keys.loss, base_dir=scenario.base_dir, seed=keys.seed
    )
    if network.output_size == 1 and data.n_outputs == 2 and data.has_accuracy:
        data = load_data(
            keys.data, network.input_shape, n_outputs=1, loss=keys.loss, base_dir=scenario.base_dir, seed=keys.seed
        )
    augmentation = augmentation_of(keys.augment, network.input_shape, seed=keys.seed)
    train, test = sets_of(keys.augment, augmentation, data.train, data.test, seed=keys.seed)
    return replace(data, train=train, test=test)


def _course(
    scenario: Scenario,
    keys: PretrainKeys,
    resolved: Resolved,
    data: Data,
    initial: Arrays | None,
) -> HostCourse:
    source = _source_network(resolved.network, data.n_outputs)
    start = initial_weights(source, keys.seed)
    if initial is not None:
        given = pairs_of(resolved.network, initial)
        start = [own if own[0].shape != theirs[0].shape else theirs for own, theirs in zip(start, given, strict=True)]
    prune = scenario.prune
    return HostCourse(
        network=source,
        data=data,
        keys=keys,
        initial=start,
        normalised=resolved.normalised,
        augmentation=augmentation_of(keys.augment, source.input_shape, seed=keys.seed),
        prune=Schedule(prune.initial, prune.final, prune.steps) if prune is not None else None,
    )


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
    """Everything the weights depend on."""
    digest = hashlib.sha256()
    told: dict[str, Any] = {
        "version": _VERSION,
        "tool": tool,
        "network": repr(course.network),
        "keys": course.keys.model_dump_json(exclude={"data", "engine", "reset_last"}),
        "normalised": sorted(course.normalised),
        "prune": repr(course.prune),
        "scale": [float(course.data.x_scale), float(course.data.x_offset)],
    }
    digest.update(json.dumps(told, sort_keys=True).encode())
    for pair in course.initial:
        for array in pair:
            digest.update(array.tobytes())
    for samples in (course.data.train, course.data.test):
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
