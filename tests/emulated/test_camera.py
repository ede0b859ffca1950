# SPDX-License-Identifier: Apache-2.0
"""Frames of a camera: their bytes, what is made of them, and a board that learns from one after the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainbed.data.camera import Camera, PixelFormat, make_camera
from trainbed.errors import DataError, InputError
from trainbed.live import Live
from trainbed.replay import make_twin
from trainbed.scenario.loader import load_scenario
from trainbed.session import Session

SCENARIO = """\
schema: 1
name: two kinds of scenes
board: stm32f746g_disco
backend: unicorn
network:
  input: [8, 8, 1]
  layers:
    - conv2d: {filters: 4, kernel: 3, padding: same, activation: relu}
    - max_pool: {size: 2}
    - dense: {units: 2, activation: softmax}
training: {precision: int8_qas, head: float32, loss: categorical_crossentropy, optimizer: {sgd: {lr: 0.05}}, epochs: 1,
  batch_size: 1}
data: {npz: scenes.npz}
"""


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """Bright on the left or on the right, on the emulated part."""
    rng = np.random.default_rng(2)
    y = np.arange(40) % 2
    x = rng.integers(0, 60, (40, 8, 8, 1)).astype(np.uint8)
    x[y == 0, :, :4] += 120
    x[y == 1, :, 4:] += 120
    np.savez(tmp_path / "scenes.npz", x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    path = tmp_path / "scenes.yaml"
    path.write_text(SCENARIO)
    return Session(load_scenario(path))


def test_a_pixel_lies_in_a_frame_as_its_format_says() -> None:
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0], red[..., 1] = 255, 8
    assert Camera(2, 2, PixelFormat.RGB888).capture(red) == bytes([255, 8, 0] * 4)
    assert Camera(2, 2, PixelFormat.RGB565).capture(red) == bytes([0x40, 0xF8] * 4)  # 11111 000010 00000
    assert Camera(2, 2, PixelFormat.GREY).capture(red) == bytes([(255 * 77 + 8 * 150 + 128) >> 8] * 4)


@pytest.mark.parametrize("pixels", list(PixelFormat))
def test_an_image_comes_back_from_a_frame_as_far_as_its_bits_reach(pixels: PixelFormat) -> None:
    image = np.random.default_rng(5).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    camera = Camera(9, 6, pixels)
    frame = camera.capture(image)
    assert len(frame) == camera.frame_bytes == 54 * pixels.n_bytes
    read = camera.read(frame, (6, 6, 3)).astype(int)
    if pixels is PixelFormat.GREY:
        assert (read == Camera(6, 6, PixelFormat.RGB888).read(image.tobytes(), (6, 6, 1))).all()
    else:
        most = {PixelFormat.RGB888: 0, PixelFormat.RGB565: 7}[pixels]
        assert np.abs(read - image).max() <= most
    black, white = (np.full((6, 6, 3), value, np.uint8) for value in (0, 255))
    assert [set(camera.read(camera.capture(scene), (3, 3, 1)).flat) for scene in (black, white)] == [{0}, {255}]


def test_what_is_no_frame_is_refused_with_the_size_that_was_expected() -> None:
    with pytest.raises(DataError, match="a frame of 100 bytes; 8 x 8 pixels in rgb565 are 128"):
        Camera(8, 8).read(bytes(100), (8, 8, 1))
    with pytest.raises(DataError, match="pixels in 'yuv'; expected one of grey, rgb565, rgb888"):
        make_camera(8, 8, "yuv")
    with pytest.raises(DataError, match="0 x 8 pixels"):
        make_camera(0, 8, "grey")
    with pytest.raises(DataError, match=r"an image is uint8 \[height, width, 1 or 3\]"):
        Camera(8, 8).capture(np.zeros((8, 8), np.uint8))


def test_a_board_learns_frame_by_frame_and_reports_its_running_accuracy_as_the_twin_does(session: Session) -> None:
    camera = make_camera(20, 16, "RGB565")
    with session:
        live = Live(session, camera)
        data, twin = session.prepared.data, make_twin(session.prepared)
        shape = session.prepared.network.input_shape
        labels = data.train.labels
        assert labels is not None
        right = 0
        for i, label in enumerate(labels.tolist()):
            frame = camera.capture(data.train.x[i].reshape(shape))
            x, t = camera.read(frame, shape)[None], data.targets_of(data.train)[i : i + 1]
            seen = live.learn(frame, label)
            outputs = twin.train_batch(x, t).outputs[0]
            assert seen.outputs.tobytes() == outputs.tobytes()  # from before the step
            right += int(outputs.argmax() == label)
            assert (seen.predicted, seen.label) == (outputs.argmax(), label)
            assert seen.accuracy == right / (i + 1)
        assert session.weights().tobytes() == session.prepared.plan.parameters.pack(twin.arrays()).tobytes()
        looks = [
            live.look(camera.capture(row.reshape(shape)), label)
            for row, label in zip(data.test.x, data.test.labels.tolist(), strict=True)  # type: ignore[union-attr]
        ]
        assert looks[-1].accuracy == np.mean([look.predicted == look.label for look in looks]) >= 0.9
        assert live.look(camera.capture(data.test.x[0].reshape(shape))).accuracy is None
        with pytest.raises(DataError, match="label 2; a network with 2 outputs"):
            live.learn(frame, 2)


def test_a_network_that_does_not_read_bytes_has_no_camera(tmp_path: Path) -> None:
    path = tmp_path / "lines.yaml"
    path.write_text(
        "schema: 1\nname: lines\nboard: native\nnetwork: {input: [6, 6, 1], layers: [dense: {units: 1}]}\n"
        "training: {loss: mse, optimizer: {sgd: {lr: 0.1}}, epochs: 1, batch_size: 1}\n"
        "data: {generate: lines, size: 6, channels: 1}\n"
    )
    with Session(load_scenario(path)) as session, pytest.raises(InputError, match="uint8 data and one output a class"):
        Live(session, Camera(8, 8))
