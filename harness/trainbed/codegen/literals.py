# SPDX-License-Identifier: Apache-2.0
"""Python values as C literals that read back to the same bits."""

from __future__ import annotations

import numpy as np

from trainbed.network.layers import Activation, Layer, Window


def c_float(value: float) -> str:
    """A float32 as a hexadecimal literal: exact."""
    return f"{float(np.float32(value)).hex()}f"


def c_activation(activation: Activation) -> str:
    """C name of an activation."""
    return f"TRN_ACT_{activation.name}"


def c_window(layer: Layer) -> str:
    """Geometry of a convolution or pooling layer as a trn_window_t."""
    window = layer.window
    assert isinstance(window, Window)
    sizes = (*layer.in_shape, *layer.out_shape, window.kernel_h, window.kernel_w)
    rest = (window.stride_h, window.stride_w, window.pad_top, window.pad_left)
    return f"(trn_window_t){{{', '.join(map(str, (*sizes, *rest)))}}}"
