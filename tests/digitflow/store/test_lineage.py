import pytest

from digitflow.store import lineage
from digitflow.store.lineage import digest_modules, find_libraries, installed_version


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A tree of modules of ours that a test may edit."""
    files = {
        "digitflow/__init__.py": "",
        "digitflow/shapes.py": "import numpy as np\n",
        "digitflow/ink.py": "from digitflow.shapes import measure\n",
        "digitflow/late.py": "def f():\n    from digitflow import shapes\n    import cv2\n",
        "digitflow/near.py": "from .ink import draw\n",
        "digitflow/reports/figures.py": "import matplotlib\n",
        "digitflow/config.py": "",
        "digitflow/train.py": "import digitflow.ink, digitflow.config, json\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(lineage, "ROOT", tmp_path)
    lineage._read_module.cache_clear()
    yield tmp_path
    lineage._read_module.cache_clear()


def _edit(package, name):
    path = package / name
    path.write_text(path.read_text() + "# edited\n")
    lineage._read_module.cache_clear()


def test_imports_are_followed_transitively(package):
    found = digest_modules("digitflow.train")
    names = ["digitflow", "digitflow.ink", "digitflow.shapes", "digitflow.train"]
    assert list(found) == names


@pytest.mark.parametrize("module", ["digitflow.late", "digitflow.near"])
def test_imports_inside_functions_and_relative_ones_count(package, module):
    assert "digitflow.shapes" in digest_modules(module)


def test_editing_a_helper_changes_what_imports_it_and_nothing_else(package):
    before = {
        root: digest_modules(root) for root in ("digitflow.train", "digitflow.reports.figures")
    }
    _edit(package, "digitflow/shapes.py")
    assert digest_modules("digitflow.train") != before["digitflow.train"]
    assert digest_modules("digitflow.reports.figures") == before["digitflow.reports.figures"]


def test_the_config_module_is_in_no_key(package):
    before = digest_modules("digitflow.train")
    _edit(package, "digitflow/config.py")
    assert digest_modules("digitflow.train") == before


def test_only_libraries_that_shape_results_are_named_with_their_versions(package):
    libraries = find_libraries(digest_modules("digitflow.late"))
    assert libraries == {
        "numpy": installed_version("numpy"),
        "opencv-python-headless": installed_version("opencv-python-headless"),
    }


def test_a_name_that_is_no_module_of_ours_is_refused():
    with pytest.raises(ModuleNotFoundError, match=r"digitflow\.missing"):
        digest_modules("digitflow.missing")


def test_a_library_that_is_not_installed_has_no_version():
    assert installed_version("no-such-distribution") == "not installed"


def test_training_depends_on_no_plot_and_on_no_other_estimator():
    found = digest_modules("digitflow.models.fitting")
    others = {
        "digitflow.reports.figures",
        "digitflow.reports.page",
        "digitflow.models.estimators.svm",
    }
    assert not others & found.keys()
