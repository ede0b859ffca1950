# SPDX-License-Identifier: Apache-2.0
"""The shipped face scenario on the emulated part: it keeps its contract and beats a linear model on the same pixels."""

from __future__ import annotations

import numpy as np
import pytest

from trainbed.assets import asset_path
from trainbed.result import Verdict
from trainbed.scenario.loader import load_scenario
from trainbed.session import Session

SCENARIO = asset_path("scenarios") / "faces_qas.yaml"
DATA = SCENARIO.parent / "../../shared/data"


@pytest.mark.slow
@pytest.mark.skipif(
    not ((DATA / "faces-cmu-2class.npz").exists() and (DATA / "cifar10-mini.npz").exists()),
    reason="faces-cmu-2class.npz and cifar10-mini.npz are not in the data folder beside the checkout",
)
def test_one_pass_over_50_images_of_each_class_beats_a_logistic_regression_on_the_same_pixels() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model", reason="needs scikit-learn")
    with Session(load_scenario(SCENARIO)) as session:
        result = session.result()
        prepared = session.prepared
        assert prepared.augmentation is not None
        train, test = prepared.augmentation.epoch(prepared.data.train, 0), prepared.data.test
    assert (len(train), len(test)) == (100, 300)
    assert result.verdict is Verdict.PASSED, [e for e in result.expectations if not e.passed]
    regression = linear_model.LogisticRegression(max_iter=5000).fit(train.x / 255.0, train.labels)
    right = regression.predict(test.x / 255.0) == test.labels
    assert result.test.balanced_accuracy == result.test.accuracy  # the test set is balanced
    assert result.test.balanced_accuracy >= np.mean(right) + 0.05
