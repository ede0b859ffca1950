# SPDX-License-Identifier: Apache-2.0
"""Cases of int8_pow2: losses, errors backward and steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pow2_kernels.case import Arrays, Case, Rng, biases, codes, errors
from trainbed.network.layers import Activation
from trainbed.reference.pow2 import loss, tables, update
from trainbed.reference.pow2.numbers import pack_rows, unpack_rows


def derivative(activation: Activation, hi: int) -> Case:
    """Errors through an activation."""
    n = 40

    def make(rng: Rng) -> Arrays:
        y = codes(rng, n)
        y = y if activation in (Activation.TANH, Activation.NONE) else np.abs(y)
        return {"e": errors(rng, n), "y": np.minimum(y, hi).astype(np.int8)}

    def after(a: Arrays) -> Arrays:
        return {"e": update.derivative(a["e"], a["y"], activation, hi=hi)}

    call = f"trn_pow2_derivative(e, y, {n}, TRN_ACT_{activation.value.upper()}, {hi});"
    return Case(f"derivative {activation.value}", call, make, after)


def softmax(n: int, fraction: int) -> Case:
    """Softmax with categorical cross-entropy."""

    def make(rng: Rng) -> Arrays:
        t = np.zeros(n, np.float32)
        t[rng.integers(n)] = 1
        z = codes(rng, n)
        z = z if rng.random() < 0.7 else (z // 16).astype(np.int8)
        return _head(z, t)

    call = f"*loss = trn_pow2_softmax_crossentropy(z, t, e, p, exps@, logs@, {n}, {fraction});"
    constants: Arrays = {"exps": tables.exps(fraction), "logs": tables.logs()}
    return Case(f"softmax {n} {fraction}", call, make, _after_head(loss.softmax_crossentropy, fraction), constants)


def binary(n: int, fraction: int) -> Case:
    """Sigmoid with binary cross-entropy."""

    def make(rng: Rng) -> Arrays:
        t = rng.choice(np.array([0, 1, 0.5, 0.3, 1 / 3, 1e-6], np.float32), n)
        return _head(codes(rng, n), t)

    constants: Arrays = {"sigmoids": tables.sigmoids(fraction), "softplus": tables.softplus(fraction)}
    call = (
        f"*loss = trn_pow2_binary_crossentropy(z, t, e, p, sigmoids@, softplus@, {n}, {fraction}, "
        f"{(32768 + n // 2) // n}u, {float(np.float32(1 / n))!r}f);"
    )
    return Case(f"binary {n} {fraction}", call, make, _after_head(loss.binary_crossentropy, fraction), constants)


def mse(n: int, fraction: int) -> Case:
    """Mean squared error."""

    def make(rng: Rng) -> Arrays:
        t = np.concatenate([rng.normal(0, 2, n), [0, 1, -1, 0.5, -0.00006103515625, 1e-30, 300, -300]])[:n]
        return _head(codes(rng, n), rng.permutation(t).astype(np.float32))

    call = (
        f"*loss = trn_pow2_mse(z, t, e, p, {n}, {fraction}, {2.0**-fraction!r}f, {(32768 + n // 2) // n}u, "
        f"{float(np.float32(1 / n))!r}f);"
    )
    return Case(f"mse {n} {fraction}", call, make, _after_head(loss.mse, fraction))


def _head(z: NDArray[Any], t: NDArray[np.float32]) -> Arrays:
    n = len(z)
    return {"z": z, "t": t, "e": np.zeros(n, np.int16), "p": np.zeros(n, np.float32), "loss": np.zeros(1, np.float32)}


def _after_head(head: Callable[..., loss.Head], fraction: int) -> Callable[[Arrays], Arrays]:
    def after(a: Arrays) -> Arrays:
        of = head(a["z"][None], a["t"][None], fraction=fraction)
        return {"e": of.errors[0], "p": of.outputs[0], "loss": of.losses}

    return after


def backward_input(n_in: int, n_out: int, shift: int) -> Case:
    """Errors through a dense layer."""

    def make(rng: Rng) -> Arrays:
        return {"w": pack_rows(codes(rng, n_out, n_in)), "e": errors(rng, n_out), "dx": np.full(n_in, 99, np.int16)}

    def after(a: Arrays) -> Arrays:
        return {"dx": update.dense_backward_input(unpack_rows(a["w"], (n_out, n_in)), a["e"], shift=shift)}

    call = f"trn_pow2_dense_backward_input(w, e, dx, {n_in}, {n_out}, {shift});"
    return Case(f"backward input {n_in}x{n_out} {shift}", call, make, after)


def dense_update(n_in: int, n_out: int, rate: int, fraction: int, *, unsigned: bool = False) -> Case:
    """A gradient step of a dense layer."""

    def make(rng: Rng) -> Arrays:
        return {
            "x": codes(rng, n_in, unsigned=unsigned),
            "e": errors(rng, n_out),
            "w": pack_rows(codes(rng, n_out, n_in)),
            "b": biases(rng, n_out),
            "noise": np.zeros(n_in, np.uint8),
            "key": np.array([rng.integers(1 << 31), 7], np.int32),
        }

    def after(a: Arrays) -> Arrays:
        stream = update.Stream(int(a["key"][0]), int(a["key"][1]))
        again = update.Stream(int(a["key"][0]), int(a["key"][1]))
        w = unpack_rows(a["w"], (n_out, n_in)).copy()
        update.dense_update(a["x"], a["e"], w, a["b"], rate=rate, fraction=fraction, stream=stream)
        return {"w": pack_rows(w), "b": a["b"], "noise": (again.draw(n_in) >> 8).astype(np.uint8)}

    sign = "true" if unsigned else "false"
    numbers = f"{n_in}, {n_out}, {rate}u, {fraction}, {sign}"
    call = (
        "uint16_t stream = trn_pow2_begin_stream((uint32_t)key[0], (uint32_t)key[1]);\n"
        f"    trn_pow2_dense_update((const int8_t *)x, e, w, b, noise, &stream, {numbers});"
    )
    return Case(f"update {n_in}x{n_out} {rate} {fraction} unsigned={unsigned}", call, make, after)
