# SPDX-License-Identifier: Apache-2.0
"""The data sets scikit-learn carries: digits, iris, wine, breast_cancer."""

from __future__ import annotations

import numpy as np

from trainbed.data.raw import Raw
from trainbed.errors import DataError, MissingTool
from trainbed.scenario.schema import SklearnData

_DIGIT_SCALE = 1.0 / 16.0


def load_sklearn(data: SklearnData, *, seed: int) -> Raw:
    """Load and split, stratified by class and seeded.

    Raises MissingTool without scikit-learn, DataError for an impossible split.

    digits stay the codes 0..16 they are (uint8, scale 1/16: one byte per pixel on the link). The features of the
    others are scaled to 0..1 by the training part's smallest and largest values; test values beyond them are clipped.
    """
    try:
        from sklearn import datasets
        from sklearn.model_selection import train_test_split
    except ImportError:
        raise MissingTool(
            "scikit-learn", install="pip install scikit-learn", detail="the data set comes with it"
        ) from None
    bunch = getattr(datasets, f"load_{data.sklearn}")()
    try:
        x_train, x_test, y_train, y_test = train_test_split(
            bunch.data,
            bunch.target,
            test_size=data.test_fraction,
            stratify=bunch.target,
            random_state=seed if data.seed is None else data.seed,
        )
    except ValueError as error:
        raise DataError(
            f"sklearn {data.sklearn}: test_fraction {data.test_fraction:g} is impossible: {error}"
        ) from None
    origin = f"sklearn {data.sklearn}"
    if data.sklearn == "digits":
        x_train, x_test = (x.reshape(-1, 8, 8, 1).astype(np.uint8) for x in (x_train, x_test))
        return Raw(origin, x_train, y_train, x_test, y_test, scale=_DIGIT_SCALE)
    low, high = x_train.min(axis=0), x_train.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    x_train, x_test = (np.clip((x - low) / span, 0.0, 1.0).astype(np.float32) for x in (x_train, x_test))
    return Raw(origin, x_train, y_train, x_test, y_test)
