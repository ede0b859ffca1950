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
    if training.fused:
        yield ("training", "fused"), f"fused multiply-add {_LATER}; leave 'fused' out"
    if keys.network.onnx is not None:
        yield ("network", "onnx"), f"importing ONNX {_LATER}; describe the network with 'input' and 'layers'"
    for i, layer in enumerate(keys.network.layers):
        if layer.kind in ("batch_norm", "inverted_residual"):
            yield ("network", "layers", i), f"layer '{layer.kind}' {_LATER}"
    if keys.update != "all" and training.precision not in ("uint8", "int8_qas"):
        yield (
            ("update",),
            "a part of the network is trained in uint8 and int8_qas; set training.precision, or freeze layers",
        )
    if keys.update != "all" and keys.update.budget_bytes is not None:
        yield ("update", "budget_bytes"), f"a search for what to update {_LATER}; give 'sparse' by hand"
    if keys.quantisation is not None and training.precision == "float32":
        yield ("quantisation",), "there is nothing to quantise in float32; set training.precision"
    if keys.quantisation is not None:
        pow2 = training.precision == "int8_pow2"
        known = (
            {"calibration_samples", "skip_zeros"}
            if pow2
            else set(type(keys.quantisation).model_fields) - {"skip_zeros"}
        )
        for name in sorted(keys.quantisation.model_fields_set - known):
            has = ", ".join(sorted(known))
            yield ("quantisation", name), f"{training.precision} has no '{name}'; it has {has}"
    for name in ("pretrain", "prune", "augment"):
        if getattr(keys, name) is not None:
            yield (name,), f"'{name}' {_LATER}"
