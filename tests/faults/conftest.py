# SPDX-License-Identifier: Apache-2.0
"""Lets these tests use the loopback guest of the unit tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit"))
