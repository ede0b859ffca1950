# SPDX-License-Identifier: Apache-2.0
"""ONNX files made node by node, as PyTorch and tf2onnx write them: the twin against onnx's own evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trainbed.errors import NetworkError, ScenarioError
from trainbed.network.layers import Activation, Kind
from trainbed.network.onnx_import import Imported, import_onnx
from trainbed.network.training import Loss, Sgd
from trainbed.reference.random import initial_weights
from trainbed.reference.twin import Twin

onnx = pytest.importorskip("onnx", reason="the extra 'onnx' is not installed")
helper = onnx.helper


class File:
    """A graph under construction: nodes in order, constants by name."""

    def __init__(self, *input_shape: Any, seed: int = 1) -> None:
        self.input_shape = input_shape
        self.nodes: list[Any] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self.rng = np.random.default_rng(seed)
        self.last = "x"

    def node(self, op: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Append a node; reads the one before unless told otherwise. Inputs named after constants are theirs."""
        output = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs or (self.last,), [output], name=name, **attributes))
        self.last = output
        return output

    def const(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value, dtype)
        return name

    def random(self, *shape: int) -> str:
        return self.const(self.rng.normal(0.0, 0.5, shape))

    def conv(self, n_out: int, n_in: int, *kernel: int, bias: bool = True, **attributes: Any) -> str:
        inputs = [self.last, self.random(n_out, n_in, *kernel)] + ([self.random(n_out)] if bias else [])
        return self.node("Conv", *inputs, **attributes)

    def norm(self, n: int) -> str:
        parts = [self.random(n), self.random(n), self.random(n), self.const(self.rng.uniform(0.5, 2.0, n))]
        return self.node("BatchNormalization", self.last, *parts, epsilon=1e-3)

    def gemm(self, n_out: int, n_in: int) -> str:
        return self.node("Gemm", self.last, self.random(n_out, n_in), self.random(n_out), transB=1)

    def matmul(self, n_in: int, n_out: int) -> str:
        self.node("MatMul", self.last, self.random(n_in, n_out))
        return self.node("Add", self.last, self.random(n_out))

    def save(self, folder: Path, opset: int = 17) -> Path:
        graph = helper.make_graph(
            self.nodes,
            "network",
            [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, self.input_shape)],
            [helper.make_tensor_value_info(self.last, onnx.TensorProto.FLOAT, None)],
            [onnx.numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        graph.output[0].type.tensor_type.shape.SetInParent()  # shapes of outputs may be left open, not left out
        path = folder / "network.onnx"
        opsets = [helper.make_opsetid("", opset)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
        return path


def _agree(path: Path, *, layout: str, tolerance: float = 2e-5) -> Imported:
    """The imported network computes what the file computes. ``layout``: of the file's input, such as "CHW"."""
    from onnx.reference import ReferenceEvaluator

    imported = import_onnx(path)
    height, width, channels = imported.network.input_shape
    x = np.random.default_rng(5).normal(size=(3, height, width, channels)).astype(np.float32)
    theirs_in = x.reshape(3, width, channels) if "H" not in layout and len(layout) == 2 else x
    theirs_in = x.reshape(3, channels) if layout == "C" else theirs_in
    ours = {"CHW": (0, 3, 1, 2), "HWC": (0, 1, 2, 3), "CW": (0, 2, 1), "WC": (0, 1, 2), "C": (0, 1)}[layout]
    expected = ReferenceEvaluator(str(path)).run(None, {"x": np.ascontiguousarray(theirs_in.transpose(ours))})[0]
    twin = Twin(imported.network, loss=Loss.MSE, optimizer=Sgd(0.1), seed=1)
    twin.set_weights(imported.weights)
    np.testing.assert_allclose(twin.predict(x), expected.reshape(3, -1), rtol=tolerance * 10, atol=tolerance)
    return imported


def test_a_network_of_pytorch_gives_the_same_outputs(tmp_path: Path) -> None:
    file = File("N", 3, 12, 10)
    file.conv(6, 3, 3, 3, pads=[1, 1, 1, 1], name="/features/0/Conv")
    file.node("Relu")
    file.node("MaxPool", kernel_shape=[2, 2], strides=[2, 2])
    file.conv(8, 6, 3, 3, pads=[1, 1, 1, 1], strides=[2, 2])
    file.node("Clip", file.last, file.const(0.0), file.const(6.0))
    file.node("Flatten", axis=1)
    file.gemm(5, 8 * 3 * 3)
    file.node("Softmax", axis=1)
    imported = _agree(file.save(tmp_path), layout="CHW")
    layers = imported.network.layers
    assert [layer.kind for layer in layers] == [Kind.CONV2D, Kind.MAX_POOL, Kind.CONV2D, Kind.DENSE]
    assert [layer.activation.value for layer in layers] == ["relu", "none", "relu6", "softmax"]
    assert layers[0].name == "features_0_Conv"
    # PyTorch pads above and to the left where `same` pads below and to the right.
    assert layers[2].window is not None
    assert (layers[2].window.pad_top, layers[2].out_shape) == (1, (3, 3, 8))


def test_a_network_of_keras_gives_the_same_outputs(tmp_path: Path) -> None:
    file = File("N", 9, 11, 3)
    file.node("Transpose", perm=[0, 3, 1, 2])
    file.conv(4, 3, 3, 3, auto_pad="SAME_UPPER", strides=[2, 2], bias=False)
    file.norm(4)
    file.node("Relu")
    file.node("Pad", file.last, file.const([0, 0, 0, 0, 0, 0, 1, 1], np.int64))
    file.conv(8, 1, 3, 3, group=4, strides=[2, 2])  # depthwise, multiplier 2
    file.node("Transpose", perm=[0, 2, 3, 1])
    file.node("Reshape", file.last, file.const([-1, 2 * 3 * 8], np.int64))
    file.matmul(48, 3)
    file.node("Sigmoid")
    imported = _agree(file.save(tmp_path), layout="HWC")
    assert [layer.kind for layer in imported.network.layers] == [Kind.CONV2D, Kind.DEPTHWISE_CONV2D, Kind.DENSE]
    assert imported.network.layers[1].multiplier == 2
    assert imported.network.input_shape == (9, 11, 3)


def test_an_inverted_residual_with_batch_norm_is_folded(tmp_path: Path) -> None:
    file = File(1, 4, 6, 6)
    for n_out, n_in, kernel, group in ((8, 4, 1, 1), (8, 1, 3, 8), (4, 8, 1, 1)):
        pads = [kernel // 2] * 4
        file.conv(n_out, n_in, kernel, kernel, group=group, pads=pads, bias=False)
        file.norm(n_out)
        if n_out == 8:
            file.node("Clip", file.last, file.const(0.0), file.const(6.0))
    file.node("Add", "x", file.last)
    file.node("GlobalAveragePool")
    file.node("Flatten")
    file.node("Dropout")
    file.gemm(2, 4)
    imported = _agree(file.save(tmp_path), layout="CHW")
    assert [layer.kind.value for layer in imported.network.layers] == [
        "conv2d",
        "depthwise_conv2d",
        "conv2d",
        "add",
        "global_avg_pool",
        "dense",
    ]


@pytest.mark.parametrize("layout", ["CW", "WC"])
def test_a_series_becomes_an_image_of_one_row(tmp_path: Path, layout: str) -> None:
    file = File("N", 3, 20) if layout == "CW" else File("N", 20, 3)
    if layout == "WC":
        file.node("Transpose", perm=[0, 2, 1])
    file.conv(6, 3, 5, strides=[2], pads=[2, 2])
    file.node("LeakyRelu", alpha=0.2)
    file.node("AveragePool", kernel_shape=[2], strides=[2])
    file.conv(4, 6, 3)
    file.node("ReduceMean", axes=[2], keepdims=0)
    file.gemm(2, 4)
    imported = _agree(file.save(tmp_path), layout=layout)
    assert imported.network.input_shape == (1, 20, 3)


@pytest.mark.parametrize("opset", [13, 18])
def test_a_mean_over_height_and_width_is_global_pooling(tmp_path: Path, opset: int) -> None:
    file = File("N", 5, 4, 6)
    if opset < 18:
        file.node("ReduceMean", axes=[3, 2], keepdims=1)
    else:
        file.node("ReduceMean", file.last, file.const([2, -1], np.int64), keepdims=1)
    file.node("Squeeze", file.last, file.const([2, 3], np.int64))
    file.gemm(3, 5)
    _agree(file.save(tmp_path, opset), layout="CHW")


def test_shapes_computed_in_the_graph_are_folded(tmp_path: Path) -> None:
    file = File(1, 2, 3, 4)
    tensor = file.conv(3, 2, 1, 1)
    shape = file.node("Shape", tensor)
    batch = file.node("Gather", shape, file.const(0, np.int64), axis=0)
    row = file.node("Unsqueeze", batch, file.const([0], np.int64))
    sizes = file.node("Concat", row, file.const([-1], np.int64), axis=0)
    file.node("Reshape", tensor, sizes)
    weights = file.node("Transpose", file.random(5, 36), perm=[1, 0])
    twice = file.node("Mul", weights, file.const(2.0))
    file.node("MatMul", f"t{len(file.nodes) - 3}", twice)
    path = file.save(tmp_path)
    assert _agree(path, layout="CHW").network.layers[-1].kind is Kind.DENSE


def test_constants_per_channel_are_folded(tmp_path: Path) -> None:
    file = File("N", 3, 5, 5)
    file.conv(4, 3, 3, 3)
    file.node("Mul", file.last, file.random(1, 4, 1, 1))
    file.node("Add", file.random(4, 1, 1), file.last)
    file.node("Sub", file.const(1.5), file.last)
    file.node("Div", file.last, file.const(0.5))
    file.node("Relu")
    file.node("Flatten")
    file.node("Gemm", file.last, file.random(36, 2), file.random(2), alpha=0.5, beta=2.0)
    assert len(_agree(file.save(tmp_path), layout="CHW").network.layers) == 2


def test_a_vector_goes_through_dense_layers(tmp_path: Path) -> None:
    file = File("N", 7)
    file.gemm(6, 7)
    file.node("Tanh")
    file.matmul(6, 4)
    file.node("Identity")
    imported = _agree(file.save(tmp_path), layout="C")
    assert imported.network.input_shape == (1, 1, 7)


def _broken(build: Any) -> File:
    file = File("N", 4, 8, 8)
    build(file)
    return file


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda f: f.node("HardSwish", name="act"), "node 'act' (HardSwish): operator ai.onnx.HardSwish"),
        (lambda f: f.conv(6, 2, 3, 3, group=2, name="c"), "node 'c' (Conv): 2 groups of 2 channels"),
        (lambda f: f.conv(4, 4, 3, 3, dilations=[2, 2], name="c"), "node 'c' (Conv): dilation"),
        (lambda f: f.node("Relu", name="r"), "node 'r' (Relu): an activation needs a layer of its own"),
        (lambda f: (f.conv(4, 4, 1, 1), f.node("LeakyRelu", name="l")), "node 'l' (LeakyRelu): slope 0.01"),
        (lambda f: f.norm(4), "BatchNormalization): it can be folded only right after"),
        (lambda f: f.node("MaxPool", kernel_shape=[3, 3], pads=[1] * 4, name="p"), "node 'p' (MaxPool): padding"),
        (lambda f: f.node("AveragePool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1), "padding of a pooling"),
        (lambda f: f.node("ReduceMean", axes=[1]), "a mean over axes [1] of [N, C, H, W]"),
        (lambda f: f.node("Transpose", perm=[1, 0, 2, 3]), "the batch must stay the first axis"),
        (lambda f: f.node("Reshape", f.last, f.const([0, 16, 4, 4], np.int64)), "would cut a dimension"),
        (lambda f: f.gemm(2, 8), "Flatten comes before"),
        (lambda f: f.node("Pad", f.last, f.const([0, 1, 0, 0] * 2, np.int64)), "height and width can be padded only"),
        (
            lambda f: (f.node("Pad", f.last, f.const([0, 0, 1, 1] * 2, np.int64)), f.node("GlobalAveragePool")),
            "before a conv",
        ),
        (lambda f: (f.node("Transpose", perm=[0, 2, 1, 3]), f.conv(2, 8, 1, 1)), "[N, C, H, W] is needed"),
        (lambda f: f.node("Add", f.last, f.node("GlobalAveragePool")), "broadcasting is not supported"),
        (lambda f: f.node("Mul", f.last, f.last), "two tensors can be added only"),
        (lambda f: (f.conv(4, 4, 1, 1), f.node("Clip", f.last, f.const(-1.0), f.const(1.0))), "clips to -1..1"),
        (lambda f: (f.conv(4, 4, 1, 1), f.node("Add", f.last, f.random(1, 1, 8, 1))), "is not one number per channel"),
        (lambda f: (f.conv(4, 4, 1, 1), f.node("Softmax", axis=1)), "softmax over all outputs"),
    ],
)
def test_what_is_not_supported_is_named_with_its_node(tmp_path: Path, build: Any, message: str) -> None:
    path = _broken(build).save(tmp_path, 14)
    with pytest.raises(NetworkError) as caught:
        import_onnx(path)
    assert message in str(caught.value)


def test_a_sum_that_is_also_read_without_its_activation_is_refused(tmp_path: Path) -> None:
    file = File("N", 4, 3, 3)
    tensor = file.conv(4, 4, 1, 1)
    relu = file.node("Relu", name="r")
    file.node("Add", tensor, relu)
    with pytest.raises(NetworkError, match="node 'r'"):
        import_onnx(file.save(tmp_path))


@pytest.mark.parametrize(("content", "message"), [(b"", "is no ONNX model"), (b"\x08\x08junk", "is no ONNX model")])
def test_what_is_no_onnx_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(NetworkError, match=message):
        import_onnx(tmp_path / "a.onnx")
    with pytest.raises(NetworkError, match="no such file"):
        import_onnx(tmp_path / "b.onnx")


# --- as a part of a scenario -----------------------------------------------------------------------------------------

SCENARIO = """\
schema: 1
name: imported
board: native
network:
  onnx: network.onnx
training: {loss: categorical_crossentropy, optimizer: {sgd: {lr: 0.05}}, epochs: 2, batch_size: 6}
data: {generate: lines, size: 6, channels: 2, train: 18, test: 9}
expect: {matches_reference: exact}
"""


def _scenario(folder: Path, *replaced: tuple[str, str], head: Sequence[str] = (), classes: int = 3) -> Path:
    file = File("N", 2, 6, 6)
    file.conv(4, 2, 3, 3, name="front")
    file.node("Relu")
    file.node("Flatten")
    file.gemm(classes, 64)
    for op in head:
        file.node(op)
    file.save(folder)
    text = SCENARIO
    for old, new in replaced:
        assert text.count(old) == 1
        text = text.replace(old, new)
    (folder / "s.yaml").write_text(text)
    return folder / "s.yaml"


def test_a_scenario_trains_an_imported_network_from_its_weights(tmp_path: Path) -> None:
    from trainbed.run import run_scenario
    from trainbed.scenario import load_scenario

    path = _scenario(tmp_path, ("network.onnx\n", "network.onnx\n  trainable_last: 1\n"))
    out = tmp_path / "out"
    result = run_scenario(load_scenario(path), out=out)
    assert result.verdict == "passed"
    with np.load(out / "weights.npz") as weights:
        (w, b), _ = import_onnx(tmp_path / "network.onnx").weights
        assert (weights["front.weights"] == w).all() and (weights["front.bias"] == b).all()


def test_the_loss_gives_an_imported_network_its_last_activation(tmp_path: Path) -> None:
    from trainbed.scenario import load_scenario
    from trainbed.scenario.network import resolve

    assert resolve(load_scenario(_scenario(tmp_path))).network.layers[-1].activation is Activation.SOFTMAX
    other = _scenario(tmp_path, ("categorical_crossentropy", "mse"))
    assert resolve(load_scenario(other)).network.layers[-1].activation is Activation.NONE
    with pytest.raises(ScenarioError, match="needs softmax at the last layer") as caught:
        resolve(load_scenario(_scenario(tmp_path, head=["Sigmoid"])))
    assert caught.value.line == 6


def test_another_number_of_classes_gets_a_fresh_head(tmp_path: Path) -> None:
    from trainbed.prepare import prepare
    from trainbed.scenario import load_scenario
    from trainbed.weights import pairs_of

    path = _scenario(tmp_path, ("network.onnx\n", "network.onnx\n  classes: 3\n"), classes=7)
    prepared = prepare(load_scenario(path))
    front, head = pairs_of(prepared.network, prepared.initial)
    assert (front[0] == import_onnx(tmp_path / "network.onnx").weights[0][0]).all()
    assert (head[0] == initial_weights(prepared.network, 1)[-1][0]).all()


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("network.onnx\n", "missing.onnx\n", 5, "no such file"),
        ("network.onnx\n", "network.onnx\n  layers: [flatten]\n", 4, "'onnx' is a whole network"),
        ("network.onnx\n", "network.onnx\n  trainable_last: 5\n", 5, "2 layers have weights"),
        ("onnx: network.onnx\n", "input: [3]\n  layers: [dense: {units: 3}]\n  classes: 3\n", 4, "is for an ONNX file"),
    ],
)
def test_a_wrong_import_is_refused_at_its_line(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    from trainbed.scenario import load_scenario
    from trainbed.scenario.network import resolve

    path = _scenario(tmp_path, (old, new))
    with pytest.raises(ScenarioError) as caught:
        resolve(load_scenario(path))
    assert message in str(caught.value)
    assert caught.value.line == line
