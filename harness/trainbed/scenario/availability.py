# SPDX-License-Identifier: Apache-2.0
"""What schema 1 defines and this version does not do yet. Such keys are refused at their line, never ignored."""

from __future__ import annotations

from collections.abc import Iterator

from trainbed.scenario.document import KeyPath
from trainbed.scenario.schema import ScenarioKeys

_LATER = "is not available in this version"


def unavailable(keys: ScenarioKeys) -> Iterator[tuple[KeyPath, str]]:
    """Path and message of everything asked for that this version does not do."""
    training = keys.training
    if training.precision != "float32":
        yield ("training", "precision"), f"precision '{training.precision}' {_LATER}; float32 is"
    if training.fused:
        yield ("training", "fused"), f"fused multiply-add {_LATER}; leave 'fused' out"
    if keys.network.onnx is not None:
        yield ("network", "onnx"), f"importing ONNX {_LATER}; describe the network with 'input' and 'layers'"
    for i, layer in enumerate(keys.network.layers):
        if layer.kind in ("batch_norm", "inverted_residual"):
            yield ("network", "layers", i), f"layer '{layer.kind}' {_LATER}"
    if keys.update != "all":
        yield ("update",), f"training a part of the network by 'update' {_LATER}; 'all' is"
    for name in ("quantisation", "pretrain", "prune", "augment"):
        if getattr(keys, name) is not None:
            yield (name,), f"'{name}' {_LATER}"
