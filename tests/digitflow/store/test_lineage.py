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


@pytest.mark.parametrize(
    ("text", "package", "names"),
    [
        ("import a.b, c", "p", {"a.b", "c"}),
        ("from a import b, c", "p", {"a.b", "a.c"}),
        ("from . import b", "p.q", {"p.q.b"}),
        ("from .a import b", "p.q", {"p.q.a.b"}),
        ("from ..a import b", "p.q", {"p.a.b"}),
        ("def f():\n    import z", "", {"z"}),
        ("", "p", set()),
    ],
)
def test_names_are_full_wherever_they_are_imported(text, package, names):
    assert lineage.list_imports(text.encode(), package) == names


def test_a_dotted_name_runs_every_module_above_it(package):
    names = ["digitflow", "digitflow.shapes"]
    assert list(lineage.resolve_name("digitflow.shapes")) == names
    # What is in a module is no module.
    assert list(lineage.resolve_name("digitflow.shapes.measure")) == names
    assert list(lineage.resolve_name("numpy.linalg")) == []


def test_python_and_digitflow_count_beside_the_libraries():
    found = lineage.list_versions({"numpy": "9"})
    assert list(found) == ["digitflow", "python", "numpy"]
    assert found["numpy"] == "9"
    assert found["python"].startswith("3.")


def test_a_parser_that_stumbles_over_another_thread_is_asked_again(monkeypatch):
    parse, stumbles = lineage.ast.parse, [True, True]

    def stumble(source):
        if stumbles:
            stumbles.pop()
            raise SystemError
        return parse(source)

    monkeypatch.setattr(lineage.ast, "parse", stumble)
    assert lineage.list_imports(b"import a", "") == {"a"}
    with pytest.raises(SyntaxError):
        lineage.list_imports(b"import", "")
