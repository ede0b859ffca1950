# SPDX-License-Identifier: Apache-2.0
"""Reads a scenario file: strict YAML, overrides, schema, then what only the whole can tell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from trainbed.boards import board_names, is_board_file
from trainbed.scenario.availability import unavailable
from trainbed.scenario.diagnosis import scenario_error
from trainbed.scenario.document import Document, read_document
from trainbed.scenario.image_network import ImageNetworkKeys, image_layers
from trainbed.scenario.layers import Composite, LayerProblem, LayerSpec, layer_specs
from trainbed.scenario.overrides import apply_overrides
from trainbed.scenario.scenario import NetworkSpec, Scenario
from trainbed.scenario.schema import IMAGE_NETWORKS, NetworkKeys, QuantisationKeys, ScenarioKeys
from trainbed.scenario.wording import did_you_mean

SCHEMA = 1


def load_scenario(path: Path, overrides: Sequence[str] = ()) -> Scenario:
    """Read and check a scenario file; ``overrides`` are ``a.b=v`` as given to ``--set``, applied in order.

    Raises ScenarioError with file and line (or the override to blame), what was expected, and the nearest known word.
    """
    document = read_document(path)
    if not isinstance(document.root, dict):
        raise document.error("a scenario is a mapping that starts with 'schema: 1'", ())
    apply_overrides(document, overrides)
    return check_document(document)


def check_document(document: Document) -> Scenario:
    """The scenario a document describes. Raises ScenarioError."""
    if isinstance(document.root, dict) and document.root.get("schema", SCHEMA) != SCHEMA:
        raise document.error(
            f"schema {document.root['schema']!r:.40} is not known; this version reads schema 1", ("schema",)
        )
    try:
        keys = ScenarioKeys.model_validate(document.root)
    except ValidationError as error:
        raise scenario_error(error, document) from None
    for path, message in unavailable(keys):
        raise document.error(message, path)
    board = keys.board
    if is_board_file(board):
        board = str((document.file.parent if document.file is not None else Path()) / board)
    elif board not in board_names():
        raise document.error(f"no board named '{keys.board}'{did_you_mean(keys.board, board_names())}", ("board",))
    network = _network(keys.network, document)
    if network.layers:  # an ONNX file's are not known yet
        _losses_fit_the_last_layer(keys, network.layers[-1], document)
    _host_training_is_possible(keys, network.layers, document)
    return Scenario(
        name=keys.name,
        board=board,
        backend=keys.backend,
        network=network,
        training=keys.training,
        data=keys.data,
        expect=keys.expect,
        build=keys.build,
        link=keys.link,
        budget=keys.budget,
        weights=keys.weights,
        quantisation=keys.quantisation or QuantisationKeys(),
        update=None if isinstance(keys.update, str) else keys.update,
        pretrain=keys.pretrain,
        prune=keys.prune,
        augment=keys.augment,
        document=document,
    )


def _network(keys: NetworkKeys, document: Document) -> NetworkSpec:
    for kind in IMAGE_NETWORKS:
        image: ImageNetworkKeys | None = getattr(keys, kind)
        if image is not None:
            layers = image_layers(kind, image, line=document.line_of(("network", kind)))
            return NetworkSpec(image.input, layers, keys.trainable_last)
    if keys.onnx is not None:
        return NetworkSpec((0, 0, 0), (), keys.trainable_last, keys.onnx, keys.classes)
    assert keys.input is not None  # the schema asks for it where there is no whole network
    lines = [document.line_of(("network", "layers", i)) for i in range(len(keys.layers))]
    try:
        return NetworkSpec(keys.input, layer_specs(keys.layers, lines), keys.trainable_last)
    except LayerProblem as problem:
        hint = did_you_mean(problem.message.split("'")[3], problem.known) if problem.known else ""
        raise document.error(problem.message + hint, ("network", "layers", problem.index)) from None


def _losses_fit_the_last_layer(keys: ScenarioKeys, last: LayerSpec, document: Document) -> None:
    for section, training in (("training", keys.training), ("pretrain", keys.pretrain)):
        needed = training.loss.needs if training is not None else None
        if training is not None and needed is not None and last.activation is not needed:
            raise document.error(
                f"{training.loss.value} needs {needed.value} at the last layer, "
                f"'{last.name}' has {last.activation.value}",
                (section, "loss"),
            )


def _host_training_is_possible(keys: ScenarioKeys, layers: Sequence[LayerSpec], document: Document) -> None:
    """What only the host can train needs to be trained there; pruning and augmentation need what they work on."""
    pretrain = keys.pretrain
    normalised = [i for i, layer in enumerate(layers) if layer.batch_norm or layer.kind is Composite.BATCH_NORM]
    if normalised and pretrain is None and keys.weights is None:
        raise document.error(
            f"batch_norm ('{layers[normalised[0]].name}') is trained on the host and folded before deployment: add "
            "'pretrain', or the folded network's 'weights'",
            ("network", "layers", normalised[0]),
        )
    if pretrain is None:
        if keys.prune is not None:
            raise document.error("pruning takes place while the host trains: add 'pretrain'", ("prune",))
        return
    wanted = {"batch_norm": normalised, "prune": keys.prune, "progressive": pretrain.progressive}
    needs_numpy = next((name for name, value in wanted.items() if value), None)
    if needs_numpy and pretrain.engine == "native":
        raise document.error(f"engine native has no {needs_numpy}; numpy has", ("pretrain", "engine"))
