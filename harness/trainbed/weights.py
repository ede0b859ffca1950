# SPDX-License-Identifier: Apache-2.0
"""Float32 weights a run starts from: the seeded generator's, or those of an npz file with ``<layer>.weights`` and
``<layer>.bias``.
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
Pairs = Sequence[tuple[F32, F32]]
"""(weights, bias) of each parametric layer, in order."""


def named(network: Network, pairs: Pairs) -> dict[str, F32]:
    """Arrays as they stand in an npz, layers in order."""
    arrays = {}
    for layer, (weights, bias) in zip(network.parametric, pairs, strict=True):
        arrays[f"{layer.name}.weights"] = weights
        arrays[f"{layer.name}.bias"] = bias
    return arrays


def pairs_of(network: Network, arrays: Mapping[str, NDArray[np.generic]]) -> list[tuple[F32, F32]]:
    """(weights, bias) of each parametric layer from named float32 arrays."""
    return [
        (np.asarray(arrays[f"{layer.name}.weights"], np.float32), np.asarray(arrays[f"{layer.name}.bias"], np.float32))
        for layer in network.parametric
    ]


def float32_arrays(arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, F32]:
    """The same arrays, known to be float32."""
    return {name: np.asarray(array, np.float32) for name, array in arrays.items()}


def load_weights(scenario: Scenario, network: Network) -> dict[str, F32] | None:
    """Initial weights a scenario names (``weights: {npz: path}``), by name; None when it names none.

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


def _checked(network: Network, arrays: Mapping[str, NDArray[np.generic]], origin: str) -> dict[str, F32]:
    wanted: dict[str, tuple[int, ...]] = {}
    for layer in network.parametric:
        wanted[f"{layer.name}.weights"] = layer.weight_shape
        wanted[f"{layer.name}.bias"] = (layer.n_biases,)
    unknown = sorted(set(arrays) - set(wanted))
    if unknown:
        raise DataError(f"{origin}: '{unknown[0]}' belongs to no layer; expected {', '.join(sorted(wanted))}")
    checked = {}
    for name, shape in wanted.items():
        if name not in arrays:
            raise DataError(f"{origin}: '{name}' is missing")
        array = arrays[name]
        if array.shape != shape or array.dtype.kind != "f":
            raise DataError(f"{origin}: '{name}' is {array.dtype}{list(array.shape)}, float32{list(shape)} is needed")
        values = array.astype(np.float32)
        if not np.isfinite(values).all():
            raise DataError(f"{origin}: '{name}' holds values that are not finite")
        # -0 becomes +0: docs/numerics.md.
        checked[name] = values + np.float32(0)
    return checked
