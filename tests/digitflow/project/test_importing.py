"""A project's modules run as Python runs modules, but apart from all others."""

import sys

import cloudpickle
import pytest

from digitflow.errors import InputError
from digitflow.project.code import read_code
from digitflow.project.importing import load_object, open_namespace

PROJECT = {
    "a.py": (
        "from __future__ import annotations\n"
        "import json\n"
        "from dataclasses import dataclass\n"
        "import pack.sub as renamed\n"
        "import pack.sub\n"
        "from pack import sub, other\n"
        "from pack.other import *\n"
        "from b import late\n"
        "@dataclass\n"
        "class Point:\n"
        "    x: int = 1\n"
        "def same():\n"
        "    import pack\n"
        "    return renamed is pack.sub is sub and other.value == value == 7\n"
    ),
    "b.py": "def late():\n    import a\n    return a.Point\n",
    "pack/__init__.py": "",
    "pack/sub.py": "from . import other\nfrom .other import value\n",
    "pack/other.py": "value = 7\n",
}


def _open(folder, module):
    return open_namespace(read_code(folder, module)).load(module)


def test_import_statements_of_all_forms_find_the_projects_modules(write):
    found = _open(write(PROJECT), "a")
    assert found.same()
    assert found.late() is found.Point
    assert found.Point().x == 1
    assert found.__name__ == found.Point.__module__ == "a"


def test_nothing_of_a_project_stays_in_the_process(write):
    _open(write({"alone.py": "import json\n"}), "alone")
    assert "alone" not in sys.modules


def test_two_projects_and_two_states_of_one_keep_modules_of_one_name_apart(write):
    here = write({"m.py": "from n import value\n", "n.py": "value = 1\n"}, "here")
    there = write({"m.py": "from n import value\n", "n.py": "value = 2\n"}, "there")
    first, second = _open(here, "m"), _open(there, "m")
    (here / "n.py").write_text("value = 3\n")
    third = _open(here, "m")
    assert (first.value, second.value, third.value) == (1, 2, 3)
    assert _open(there, "m") is second


def test_a_projects_module_goes_before_an_installed_one_for_the_project_only(write):
    folder = write({"m.py": "import colorsys\n", "colorsys.py": "mine = True\n"})
    import colorsys

    assert _open(folder, "m").colorsys.mine
    assert sys.modules["colorsys"] is colorsys


def test_modules_are_visible_for_as_long_as_asked(write):
    code = read_code(write({"seen.py": ""}), "seen")
    with open_namespace(code).visible():
        assert sys.modules["seen"] is open_namespace(code).load("seen")
    assert "seen" not in sys.modules


def test_what_a_project_defines_travels_to_other_processes_of_joblib(write):
    # By value: nobody there has to find the module.
    source = "import math\nfrom n import two\ndef f():\n    return math.pi + two\n"
    folder = write({"m.py": source, "n.py": "two = 2\n"})
    function = load_object("m:f", read_code(folder, "m"))
    assert cloudpickle.loads(cloudpickle.dumps(function))() == function()


def test_a_module_that_fails_says_why_and_is_tried_anew(write):
    folder = write({"bad.py": "import no_such_library\n"})
    code = read_code(folder, "bad")
    for _ in range(2):
        with pytest.raises(InputError, match=r"bad can't be imported: .*no_such_library"):
            load_object("bad:build", code)
    assert "bad" not in sys.modules


def test_an_attribute_that_is_not_there_is_named_beside_those_that_are(write):
    code = read_code(write({"m.py": "def build():\n    pass\nlimit = 1\n"}), "m")
    with pytest.raises(InputError, match=r"m has no 'biuld'; it has build, limit"):
        load_object("m:biuld", code)
    with pytest.raises(InputError, match=r"sklearn\.svm has no 'SVM'; it has .*SVC"):
        load_object("sklearn.svm.SVM", None)
