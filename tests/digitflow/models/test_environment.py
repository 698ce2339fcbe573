import subprocess
import sys

import numpy as np
import pytest

from digitflow.models.environment import describe_machine, list_differences, list_libraries


def test_the_libraries_behind_the_numbers_are_named_with_their_versions():
    libraries = list_libraries()
    assert libraries["numpy"] == np.__version__
    assert libraries["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert "not installed" not in libraries.values()


def test_a_machine_is_described_always_alike():
    described = describe_machine()
    code = "from digitflow.models.environment import describe_machine as d; print(d())"
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == described != ""


def test_a_setting_that_changes_the_arithmetic_is_another_machine(monkeypatch):
    described = describe_machine()
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert describe_machine() == f"{described}, OPENBLAS_CORETYPE=Haswell"


def test_differences_name_both_versions():
    libraries = list_libraries() | {"scikit-learn": "0.1", "gone": "1"}
    del libraries["scipy"]
    said = list_differences(libraries)
    here = list_libraries()
    assert f"scikit-learn 0.1 (here is {here['scikit-learn']})" in said
    assert "gone 1 (here is none)" in said
    assert f"scipy unknown (here is {here['scipy']})" in said
    assert "numpy" not in said
    assert list_differences(here) == ""


IMPORT = "from digitflow.models.environment import measure_peak_memory as measure; "


def run(code):
    command = [sys.executable, "-c", IMPORT + code]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_memory_that_was_freed_still_counts():
    small = run("print(measure())")
    large = run("import numpy as np; np.ones(200 << 20, np.uint8); print(measure())")
    assert large == pytest.approx(small + 200, abs=10)


def test_a_process_does_not_count_the_memory_of_the_one_that_started_it():
    ballast = np.ones(300 << 20, np.uint8)
    assert run("print(measure())") < 200
    assert len(ballast)
