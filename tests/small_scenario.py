# SPDX-License-Identifier: Apache-2.0
"""Texts of scenarios that train in a blink."""

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

TWO_SENSORS = """\
schema: 1
name: two sensors
board: native
network: {input: [2], layers: [{dense: {units: 1, activation: sigmoid}}]}
training: {loss: binary_crossentropy, optimizer: {sgd: {lr: 0.5}}, epochs: 4, batch_size: 7}
data: {generate: sensor, train: 21, test: 7}
expect: {loss_decreases: {by: 0.1}, matches_reference: exact}
"""
