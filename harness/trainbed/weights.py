# SPDX-License-Identifier: Apache-2.0
"""Weights between their forms: one flat array on the device, (weights, bias) pairs by layer, named arrays in an
npz file.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from trainbed.errors import DataError
from trainbed.network.layers import Network
from trainbed.scenario.scenario import Scenario, with_line

F32 = NDArray[np.float32]


def split_flat(network: Network, flat: F32) -> list[tuple[F32, F32]]:
    """(weights, bias) of each parametric layer from float32 ``[n_parameters]``."""
    pairs, at = [], 0
    for layer in network.parametric:
        end = at + layer.n_weights
        pairs.append((flat[at:end].reshape(layer.weight_shape), flat[end : end + layer.n_biases]))
        at = end + layer.n_biases
    return pairs


def join_flat(pairs: Sequence[tuple[F32, F32]]) -> F32:
    """float32 ``[n_parameters]`` from (weights, bias) of each parametric layer."""
    return np.concatenate([array.ravel() for pair in pairs for array in pair])


def named_weights(network: Network, flat: F32) -> Mapping[str, F32]:
    """Arrays as they stand in an npz: ``<layer>.weights`` and ``<layer>.bias``, layers in order."""
    named = {}
    for layer, (weights, bias) in zip(network.parametric, split_flat(network, flat), strict=True):
        named[f"{layer.name}.weights"] = weights
        named[f"{layer.name}.bias"] = bias
    return named


def load_weights(scenario: Scenario, network: Network) -> F32 | None:
    """Initial weights a scenario names (``weights: {npz: path}``), flat; None when it names none.

    Raises ScenarioError at that line when the file is missing, is no npz, or its arrays are not the network's.
    """
    if scenario.weights is None:
        return None
    with with_line(scenario, "weights.npz"):
        path = scenario.base_dir / scenario.weights.npz
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
        except FileNotFoundError:
            raise DataError(f"{path}: there is no such file") from None
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise DataError(f"{path}: not an npz of plain arrays ({error})") from None
        return _checked(network, arrays, str(path))


def _checked(network: Network, arrays: Mapping[str, NDArray[np.generic]], origin: str) -> F32:
    wanted = {f"{layer.name}.weights": layer.weight_shape for layer in network.parametric}
    wanted |= {f"{layer.name}.bias": (layer.n_biases,) for layer in network.parametric}
    unknown = sorted(set(arrays) - set(wanted))
    if unknown:
        raise DataError(f"{origin}: '{unknown[0]}' belongs to no layer; expected {', '.join(sorted(wanted))}")
    pairs = []
    for layer in network.parametric:
        pair = []
        for name in (f"{layer.name}.weights", f"{layer.name}.bias"):
            if name not in arrays:
                raise DataError(f"{origin}: '{name}' is missing")
            array = arrays[name]
            if array.shape != wanted[name] or array.dtype.kind != "f":
                raise DataError(
                    f"{origin}: '{name}' is {array.dtype}{list(array.shape)}, float32{list(wanted[name])} is needed"
                )
            values = array.astype(np.float32)
            if not np.isfinite(values).all():
                raise DataError(f"{origin}: '{name}' holds values that are not finite")
            # -0 becomes +0: docs/numerics.md.
            pair.append(values + np.float32(0))
        pairs.append((pair[0], pair[1]))
    return join_flat(pairs)
