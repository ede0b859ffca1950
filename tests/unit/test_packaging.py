# SPDX-License-Identifier: Apache-2.0
"""The wheel and the sdist are whole: installed in an empty environment elsewhere, trainbed builds and runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from trainbed.assets import asset_path
from trainbed.result import Result

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.wheel


def _run(command: list[str | Path], folder: Path, **environment: str) -> str:
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=clean | environment)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist of the checkout, and the wheel built from that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    _run([sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT], ROOT)
    return folder


def _assets() -> set[str]:
    roots = [asset_path(name) for name in ("firmware", "platforms", "scenarios")]
    files = [path.relative_to(ROOT) for root in roots for path in root.rglob("*") if path.is_file()]
    return {str(path) for path in files if "__pycache__" not in path.parts}


def test_the_wheel_carries_firmware_platforms_and_scenarios(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"trainbed/_assets/{name}" for name in _assets()} <= names
    assert {"trainbed/py.typed", "trainbed/cli.py"} <= names
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)
    assert not [name for name in names if not name.startswith(("trainbed/", "trainbed-"))]


def test_the_sdist_carries_them_too(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert _assets() | {"pyproject.toml", "README.md", "LICENSE", "Makefile", "tests/conftest.py"} <= names


def test_an_installed_wheel_trains_a_copied_scenario_outside_the_checkout(dist: Path, tmp_path: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    _run([sys.executable, "-m", "venv", tmp_path / "venv"], tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{wheel}[unicorn]"], tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(ROOT / "scenarios" / "tiny.yaml", elsewhere / "mine.yaml")
    trainbed = tmp_path / "venv" / "bin" / "trainbed"
    cache = {"TRAINBED_CACHE": str(tmp_path / "cache")}
    printed = _run([trainbed, "run", "mine.yaml", "--json"], elsewhere, **cache)
    result = Result.from_json(printed)
    assert (result.verdict, result.backend.name) == ("passed", "unicorn")
    assert (elsewhere / "out" / "mine" / "result.json").read_text() == printed
    assert "arduino_nano_33_ble" in _run([trainbed, "boards"], elsewhere, **cache)
    _run([trainbed, "run", "depthconv", "--set", "training.epochs=1", "--set", "expect={}"], elsewhere, **cache)
    where = _run([python, "-c", "import trainbed; print(trainbed.__file__)"], elsewhere).strip()
    assert Path(where).is_relative_to(tmp_path)


def test_the_extras_are_the_documented_ones() -> None:
    tomllib = pytest.importorskip("tomllib", reason="TOML is read by Python 3.11 and newer")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(project["optional-dependencies"]) == {
        "unicorn", "avr", "robot", "report", "parquet", "tune", "cluster", "onnx", "hw", "dev", "all",
    }  # fmt: skip
    core = {re.split(r"[<>=\[ ]", line)[0] for line in project["dependencies"]}
    assert core == {"numpy", "pyyaml", "pydantic", "typing-extensions", "typer", "rich", "cobs", "pyelftools"}
    assert not [line for lines in project["optional-dependencies"].values() for line in lines if "://" in line]
