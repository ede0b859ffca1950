# SPDX-License-Identifier: Apache-2.0
"""The file a user means by the name of a scenario."""

from __future__ import annotations

from pathlib import Path

from trainbed.assets import asset_path
from trainbed.errors import ScenarioError
from trainbed.scenario.wording import did_you_mean


def find_scenario(name: str, folder: str = "") -> Path:
    """The file that is named: a path, else the name of a shipped scenario. Raises ScenarioError.

    ``folder``: below scenarios/; ``sweep`` and ``search`` hold files of their own schema.
    """
    path = Path(name)
    if path.is_file():
        return path
    shipped = {file.stem: file for file in sorted((asset_path("scenarios") / folder).glob("*.yaml"))}
    if name in shipped:
        return shipped[name]
    if not shipped:
        raise ScenarioError("no such file", file=path)
    what = folder or "scenario"
    raise ScenarioError(
        f"no such file, and no shipped {what} of that name{did_you_mean(path.stem, list(shipped))}", file=path
    )
