# SPDX-License-Identifier: Apache-2.0
"""What a run folder keeps beside result.json for the report: plan.json and profile.json (docs/report.md).

Both are deterministic: the same scenario, compiler and backend write the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from trainbed.backends.base import PHASES, Cost, Counts
from trainbed.codegen.model import operations_of
from trainbed.codegen.names import NameTable
from trainbed.facts import Finished
from trainbed.planner.graph import Op, Slot, Step
from trainbed.planner.plan import Plan
from trainbed.planner.storage import Storage, float32_bytes, lives
from trainbed.prepare import Built
from trainbed.result import PLAN_FILE, PROFILE_FILE, write_whole

SCHEMA = 1


def save_record(out: Path, finished: Finished) -> None:
    """Write plan.json and profile.json into the output folder, each whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    built = finished.built
    profile = profile_record(built, finished.cost, samples=finished.training.samples_trained)
    for name, content in ((PLAN_FILE, plan_record(built)), (PROFILE_FILE, profile)):
        write_whole(out / name, partial(_write_json, content))


def _write_json(content: Mapping[str, Any], path: Path) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def plan_record(built: Built) -> dict[str, Any]:
    """Network, operations of a step, arena over time, RAM by purpose, flash by symbol. Sizes in bytes."""
    prepared, plan, memory = built.prepared, built.prepared.plan, built.memory
    board, training = prepared.board, prepared.scenario.training
    ram: dict[str, int] = {
        "parameters": memory.parameters,
        "activations": memory.activations,
        "gradients": memory.gradients,
        "optimizer": memory.optimizer,
        "samples": memory.samples,
        "link": memory.link,
        "rest": sum(memory.rest.values()),
        "stack_bound": memory.stack_bound,
    }
    return {
        "schema": SCHEMA,
        "board": {
            "name": board.name,
            "title": board.title,
            "core": board.core,
            "clock_hz": board.clock_hz,
            "ram_bytes": board.ram_bytes,
            "flash_bytes": board.flash_bytes,
        },
        "training": {
            **training.model_dump(mode="json", exclude={"optimizer_keys"}),
            "optimizer": {"name": type(training.optimizer).__name__.lower(), **asdict(training.optimizer)},
        },
        "build": {"optimize": prepared.scenario.build.optimize, "shared_shapes": built.shared_shapes},
        "network": {"input": list(plan.network.input_shape), "layers": _layers(plan)},
        "operations": [{"op": _title(step), "layer": step.layer.name} for step in plan.steps],
        "arena": {"bytes": plan.arena_bytes, "storages": _storages(plan)},
        "ram": ram,
        "flash": _flash(built),
    }


def profile_record(built: Built, cost: Cost, *, samples: int) -> dict[str, Any]:
    """Counts of the phases, and of each function in the phases that train: self cost, and the layers it serves."""
    operations = _operations(built)
    functions = []
    for name, counts in sorted(cost.functions.items(), key=lambda item: (-item[1].instructions, item[0])):
        verb, layers = operations.get(name, ("", ()))
        functions.append({"name": name, "operation": verb, "layers": list(layers), **_counts(counts)})
    return {
        "schema": SCHEMA,
        "class": cost.cost_class,
        "model": cost.model,
        "samples": samples,
        "phases": {phase: _counts(cost.phases[phase]) for phase in PHASES if phase in cost.phases},
        "functions": functions,
    }


def _counts(counts: Counts) -> dict[str, int]:
    return {
        "cycles": counts.cycles,
        "memory_cycles": counts.memory_cycles,
        "instructions": counts.instructions,
    }


def _layers(plan: Plan) -> list[Mapping[str, Any]]:
    return [
        {
            "name": layer.name,
            "kind": "pointwise" if layer.is_pointwise else layer.kind.value,
            "output": list(layer.out_shape),
            "activation": layer.activation.value,
            "parameters": layer.n_parameters,
            "macs": layer.macs_forward,
            "trainable": layer.has_weights and layer.trainable,
        }
        for layer in plan.network.layers
    ]


def _title(step: Step) -> str:
    if step.op is Op.BACKWARD_INPUT:
        return f"backward to {step.target}"
    words: str = step.op.value
    return words.replace("_", " ")


def _storages(plan: Plan) -> list[Mapping[str, Any]]:
    spans = lives(plan.steps)
    return [
        {
            "offset": storage.offset,
            "bytes": storage.n_bytes,
            "first": storage.first,
            "last": storage.last,
            "slots": [
                {
                    "role": slot.role.value,
                    "tensor": slot.tensor,
                    "bytes": _slot_bytes(plan, slot, storage),
                    "first": spans[slot][0],
                    "last": spans[slot][1],
                }
                for slot in sorted(storage.slots, key=lambda slot: (spans[slot], str(slot)))
            ],
        }
        for storage in plan.storages
    ]


def _slot_bytes(plan: Plan, slot: Slot, storage: Storage) -> int:
    """What a slot takes of its storage; in integer precisions the storage's size, the most it can be."""
    return float32_bytes(plan.network, slot) if plan.precision.is_float else storage.n_bytes


def _operations(built: Built) -> Mapping[str, tuple[str, Sequence[str]]]:
    """Functions of the firmware made for this network: name -> (verb, layers they serve)."""
    prepared = built.prepared
    plan = prepared.plan
    found: dict[str, tuple[str, Sequence[str]]] = {"forward": ("", ()), "update": ("update", ())}
    table = NameTable()
    identifiers = sorted(((table.of(layer.name), layer.name) for layer in plan.network.layers), key=_by_length)
    for _, _, name in built.firmware.image.functions:
        for identifier, layer in identifiers:
            if name.startswith(f"{identifier}_"):
                found[name] = (name.removeprefix(f"{identifier}_"), (layer,))
            elif name == f"step_{identifier}":
                found[name] = ("update", (layer,))
    return found | operations_of(plan, constants=prepared.initial, shared_shapes=built.shared_shapes)


def _by_length(named: tuple[str, str]) -> int:
    return len(named[0])


def _flash(built: Built) -> Mapping[str, Any]:
    """Symbols in flash, largest first, of the kinds network (generated for it), code, constant.

    ``rest``: vectors, initial values, alignment, what has no symbol.
    """
    firmware = built.firmware
    code: dict[str, int] = {}
    for _, n_bytes, name in firmware.image.functions:
        code[name] = code.get(name, 0) + n_bytes
    generated = _operations(built)
    sized = [
        (n, "network" if name in generated or name.startswith("trn_model_") else "code", name)
        for name, n in code.items()
    ]
    sized += [(n_bytes, "constant", name) for name, n_bytes in firmware.constants.items()]
    sized.sort(key=lambda symbol: (-symbol[0], symbol[2]))
    return {
        "bytes": firmware.flash_bytes,
        "symbols": [{"name": name, "kind": kind, "bytes": n_bytes} for n_bytes, kind, name in sized if n_bytes],
        "rest": firmware.flash_bytes - sum(n_bytes for n_bytes, _, _ in sized),
    }
