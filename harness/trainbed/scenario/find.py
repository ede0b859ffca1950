# SPDX-License-Identifier: Apache-2.0
"""The file a user means by the name of a scenario."""

from __future__ import annotations

from pathlib import Path

from trainbed.assets import asset_path
from trainbed.errors import ScenarioError
from trainbed.scenario.wording import did_you_mean


def find_scenario(name: str) -> Path:
    """The file that is named: a path, else the name of a shipped scenario. Raises ScenarioError."""
    path = Path(name)
    if path.is_file():
        return path
    shipped = {file.stem: file for file in sorted(asset_path("scenarios").glob("*.yaml"))}
    if name in shipped:
        return shipped[name]
    raise ScenarioError(
        f"no such file, and no shipped scenario of that name{did_you_mean(path.stem, list(shipped))}", file=path
    )
