"""Which modules of a project something needs, and what a key says of them."""

import subprocess
import sys

import pytest

from digitflow.errors import InputError
from digitflow.project.code import read_code, trace_code
from digitflow.store.lineage import installed_version

PROJECT = {
    "my_models.py": "from my_tools.scale import stretch\nimport numpy\n",
    "my_tools/__init__.py": "",
    "my_tools/scale.py": "def stretch():\n    from . import units\n",
    "my_tools/units.py": "import yaml\n",
    "my_features.py": "from digitflow.features.recipes.pca import build_steps\n",
    "spaces/deep.py": "",
    "others.py": "import my_models\n",
}


@pytest.fixture
def folder(write):
    return write(PROJECT)


def test_a_module_brings_all_that_it_imports_and_nothing_else(folder):
    code = read_code(folder, "my_models")
    assert list(code.sources) == [
        "my_models.py", "my_tools/__init__.py", "my_tools/scale.py", "my_tools/units.py",
    ]  # fmt: skip
    assert code.digests().keys() == {
        "my_models",
        "my_tools",
        "my_tools.scale",
        "my_tools.units",
    }


def test_a_folder_without_init_is_a_package_too(folder):
    assert list(read_code(folder, "spaces.deep").sources) == ["spaces/deep.py"]


def test_editing_a_module_changes_what_imports_it_and_nothing_else(folder):
    names = ("my_models", "my_tools.scale", "my_features")
    before = {name: trace_code([read_code(folder, name)]) for name in names}
    (folder / "my_tools/units.py").write_text("import yaml  # edited\n")
    after = {name: trace_code([read_code(folder, name)]) for name in names}
    assert [name for name in names if after[name] != before[name]] == [*names[:2]]
    changed = {
        name
        for name, digest in after["my_models"].modules.items()
        if digest != before["my_models"].modules[name]
    }
    assert changed == {"my_tools.units"}


def test_what_of_ours_a_project_builds_on_counts_with_its_own_imports(folder):
    modules, libraries = trace_code([read_code(folder, "my_features")])
    assert {"my_features", "digitflow.features.recipes.pca"} <= modules.keys()
    assert "scikit-learn" in libraries


def test_any_installed_library_that_a_project_imports_counts_by_its_version(folder):
    libraries = trace_code([read_code(folder, "my_models")]).libraries
    assert libraries["PyYAML"] == installed_version("PyYAML")
    assert libraries["numpy"] == installed_version("numpy")


def test_an_installed_module_is_no_code_of_the_project(folder):
    assert read_code(folder, "sklearn.svm") is None


def test_a_module_of_ours_is_never_taken_for_the_projects(write):
    folder = write({"digitflow/catalogue.py": "raise SystemExit\n"})
    assert read_code(folder, "digitflow.catalogue") is None


@pytest.mark.parametrize("name", ["my_modles", "my_models.deep", "sklearn.svn", "../others"])
def test_a_module_that_is_nowhere_is_refused(folder, name):
    with pytest.raises(InputError, match=r"there is no module .*`project` in the config"):
        read_code(folder, name)


@pytest.mark.parametrize("text", ["def build(:\n", "x = '\x00'\n"])
def test_what_is_no_python_is_refused_with_its_place(write, text):
    folder = write({"broken.py": text})
    with pytest.raises(InputError, match=r"broken\.py is no valid Python"):
        read_code(folder, "broken")


def test_an_installed_module_is_found_without_importing_its_package(folder):
    code = (
        "import sys; from pathlib import Path; from digitflow.project.code import read_code;"
        "assert read_code(Path(sys.argv[1]), 'sklearn.svm') is None;"
        "assert 'sklearn' not in sys.modules"
    )
    command = [sys.executable, "-c", code, folder]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
