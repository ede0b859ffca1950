# SPDX-License-Identifier: Apache-2.0
"""The text of a scenario that trains in a blink."""

SCENARIO = """\
schema: 1
name: a small one
board: arduino_nano_33_ble
network:
  input: [8, 8, 3]
  layers:
    - depthwise_conv2d: {kernel: 3, padding: same, activation: relu}
    - flatten
    - dense: {units: 1, activation: sigmoid}
training:
  loss: mse
  optimizer: {adam: {lr: 0.01}}
  epochs: 5
  batch_size: 8
data: {generate: lines, train: 12, test: 6}
expect: {}
"""
