# SPDX-License-Identifier: Apache-2.0
"""Data sets: generated, from scikit-learn, from .npz files; checked, and in the form in which they travel."""

from trainbed.data.load import Data, load_data

__all__ = ["Data", "load_data"]
