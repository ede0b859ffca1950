# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin, from the outside: pytest is run on small projects, on the host board."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

# pytester forgets what was imported inside a run, and numpy cannot be imported twice.
import trainbed.explain
import trainbed.replay
import trainbed.session
from small_scenario import TWO_SENSORS

pytest_plugins = ["pytester"]

PLUGIN = ("-p", "trainbed.pytest_plugin", "-p", "no:cacheprovider")


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with one good scenario."""
    write(pytester, "good", TWO_SENSORS)
    return pytester


def write(pytester: pytest.Pytester, name: str, text: str) -> None:
    (pytester.path / f"{name}.scenario.yaml").write_text(text, encoding="utf-8")


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest(*PLUGIN, *arguments)


def properties(report: Path, test: str) -> dict[str, str]:
    case = next(c for c in ElementTree.parse(report).iter("testcase") if c.attrib["name"] == test)
    return {p.attrib["name"]: p.attrib["value"] for p in case.iter("property")}


def test_a_scenario_file_is_a_test_of_its_own(project: pytest.Pytester) -> None:
    outcome = run(project, "-v")
    outcome.assert_outcomes(passed=1)
    outcome.stdout.fnmatch_lines(["good.scenario.yaml::good PASSED*"])


def test_other_yaml_files_are_left_alone(pytester: pytest.Pytester) -> None:
    (pytester.path / "scenario.yaml").write_text(TWO_SENSORS, encoding="utf-8")
    (pytester.path / "compose.yml").write_text("a: 1", encoding="utf-8")
    assert run(pytester).ret is pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_broken_contract_shows_observed_bound_and_curve(project: pytest.Pytester) -> None:
    write(project, "bad", TWO_SENSORS.replace("by: 0.1", "by: 0.999"))
    outcome = run(project)
    outcome.assert_outcomes(passed=1, failed=1)
    outcome.stdout.fnmatch_lines(
        [
            "*scenario bad*",
            "contract broken: two sensors, on native (native *)",
            "  expectation * observed  bound",
            "✗ loss_decreases * 0.* by at least 0.999",
            "✓ matches_reference  equal to the bit  exact",
            "mean loss of each epoch",
            "*┤⠙*",
        ]
    )
    outcome.stdout.no_fnmatch_line("*Traceback*")
    outcome.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_training_that_diverges_is_called_so(project: pytest.Pytester) -> None:
    deep = "[{dense: {units: 4, activation: relu}}, {dense: {units: 1}}]"
    text = TWO_SENSORS.replace("[{dense: {units: 1, activation: sigmoid}}]", deep).replace("lr: 0.5", "lr: 1e6")
    write(project, "wild", text.replace("binary_crossentropy", "mse").replace("epochs: 4", "epochs: 50"))
    outcome = run(project, "wild.scenario.yaml")
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(["training diverged at training sample *: two sensors, on native*"])


def test_a_mistake_in_a_scenario_is_shown_with_its_line(project: pytest.Pytester) -> None:
    write(project, "typo", TWO_SENSORS.replace("epochs: 4", "epoch: 4"))
    outcome = run(project)
    outcome.assert_outcomes(passed=1, failed=1)
    outcome.stdout.fnmatch_lines(["ScenarioError: *typo.scenario.yaml:5: *unknown key 'epoch'*did you mean 'epochs'?"])


def test_a_missing_backend_fails_and_is_not_skipped(project: pytest.Pytester) -> None:
    outcome = run(project, "--backend", "serial", "--board", "arduino_nano_33_ble")
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(["MissingTool: backend 'serial' is missing*"])


def test_junit_properties_carry_the_figures_and_the_firmware(project: pytest.Pytester) -> None:
    run(project, "--junitxml", "report.xml").assert_outcomes(passed=1)
    found = properties(project.path / "report.xml", "good")
    assert found["trainbed.board"] == "native"
    assert found["trainbed.verdict"] == "passed"
    assert float(found["trainbed.final_loss"]) < float(found["trainbed.first_loss"])
    assert found["trainbed.training_memory_bytes"].isdecimal()
    assert len(found["trainbed.firmware_sha256"]) == len(found["trainbed.weights_sha256"]) == 64
    assert "trainbed.cycles_per_sample" not in found, "a host process counts no cycles"


def test_fixtures_give_every_step_of_a_run(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.trainbed("good.scenario.yaml")

        def test_scenario(scenario):
            assert scenario.name == "two sensors"

        def test_firmware(firmware):
            assert firmware.firmware.image.elf.exists()
            assert firmware.memory.training > 0

        def test_board(board):
            assert board.exchange(b"\\0").startswith(b"\\3\\x80")

        def test_link(link):
            assert link.info.n_parameters == 3

        def test_trainer(trainer):
            first, second = trainer.train(2)
            assert second.loss < first.loss
            assert trainer.check("matches_reference", "exact").passed

        def test_result(result):
            assert result.verdict == "passed"

        @pytest.mark.trainbed("good.scenario.yaml", sets=["training.epochs=2"])
        def test_changes(result):
            assert len(result.training.loss) == 2
        """
    )
    run(project, "test_fixtures_give_every_step_of_a_run.py").assert_outcomes(passed=7)


def test_tests_of_one_scenario_share_one_run(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        seen = set()

        @pytest.mark.trainbed("good.scenario.yaml")
        @pytest.mark.parametrize("n", range(3))
        def test_same(result, n):
            seen.add(id(result))
            assert len(seen) == 1

        @pytest.mark.trainbed("good.scenario.yaml", sets=["training.seed=2"])
        def test_other(result):
            assert id(result) not in seen
        """
    )
    run(project).assert_outcomes(passed=5)


def test_a_failing_test_of_ones_own_shows_what_it_trained(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.trainbed("good.scenario.yaml")
        def test_result(result):
            assert result.test.accuracy == 2

        @pytest.mark.trainbed("good.scenario.yaml")
        def test_steps(trainer):
            trainer.train(3)
            assert False
        """
    )
    outcome = run(project, "test_a_failing_test_of_ones_own_shows_what_it_trained.py")
    outcome.assert_outcomes(failed=2)
    outcome.stdout.fnmatch_lines(
        [
            "*- trainbed -*",
            "contract fulfilled: two sensors*",
            "* test_steps *",
            "*- trainbed -*",
            "mean loss of each epoch",
        ]
    )


def test_a_guest_that_broke_says_where_its_state_was_kept(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("unicorn", reason="the unicorn extra is not installed")
    monkeypatch.setenv("TRAINBED_CACHE", str(project.path / "cache"))
    monkeypatch.delenv("CI", raising=False)  # there pytest's summary tells the whole message once more
    write(project, "short", TWO_SENSORS.replace("board: native", "board: arduino_nano_33_ble\nbudget: {steps: 2000}"))
    project.makepyfile(
        """
        import pytest

        @pytest.mark.trainbed("short.scenario.yaml")
        def test_steps(trainer):
            trainer.train(4)
        """
    )
    outcome = run(project, "short.scenario.yaml", *map(str, project.path.glob("test_*.py")))
    outcome.assert_outcomes(failed=1, errors=1)
    outcome.stdout.fnmatch_lines(["GuestHang: *"])
    told = [line for line in outcome.outlines if line.startswith("its state is kept: trainbed debug --post-mortem ")]
    assert len(told) == 2
    assert all((Path(line.rpartition(" ")[2]) / "post_mortem.json").is_file() for line in told)


def test_a_fixture_without_a_scenario_says_what_to_write(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(result): pass")
    outcome = run(pytester)
    outcome.assert_outcomes(errors=1)
    outcome.stdout.fnmatch_lines(["test_it needs @pytest.mark.trainbed('path of a scenario')"])


def test_an_unknown_scenario_is_told_without_a_traceback(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.trainbed('tiney')\ndef test_it(result): pass")
    outcome = run(pytester)
    outcome.assert_outcomes(errors=1)
    outcome.stdout.fnmatch_lines(["ScenarioError: tiney: no such file*did you mean 'tiny'?"])
    outcome.stdout.no_fnmatch_line("*find.py*")


def test_workers_side_by_side_agree_and_share_nothing(project: pytest.Pytester) -> None:
    write(project, "second", TWO_SENSORS)
    write(project, "bad", TWO_SENSORS.replace("by: 0.1", "by: 0.999"))
    outcome = run(project, "-n", "2", "--trainbed-out", "kept", "--junitxml", "report.xml")
    outcome.assert_outcomes(passed=2, failed=1)
    outcome.stdout.fnmatch_lines(["✗ loss_decreases * by at least 0.999"])
    kept = sorted((project.path / "kept").iterdir())
    assert [sorted(file.name for file in folder.iterdir()) for folder in kept] == [
        ["firmware.elf", "plan.json", "profile.json", "result.json", "weights.npz"]
    ] * 3
    weights = {properties(project.path / "report.xml", name)["trainbed.weights_sha256"] for name in ("good", "second")}
    assert len(weights) == 1


def test_nothing_of_trainbed_is_loaded_where_no_scenario_is_used(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(trainbed.__file__).parents[1]))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(
        """
        import sys

        def test_modules():
            loaded = {name for name in sys.modules if name.split(".")[0] in ("trainbed", "numpy", "pydantic", "rich")}
            assert loaded == {"trainbed", "trainbed.pytest_plugin"}
        """
    )
    pytester.runpytest_subprocess(*PLUGIN).assert_outcomes(passed=1)


def test_a_projects_own_board_option_stays_its_own(project: pytest.Pytester) -> None:
    project.makeconftest("def pytest_addoption(parser): parser.addoption('--board', type=int, dest='pcb')")
    project.makepyfile("def test_it(pytestconfig): assert pytestconfig.getoption('pcb') == 3")
    run(project, "--board", "3", "--trainbed-board", "native").assert_outcomes(passed=2)


def test_the_command_line_names_the_board_for_all(project: pytest.Pytester) -> None:
    outcome = run(project, "--board", "nonsense")
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(["*no board named 'nonsense'*"])
