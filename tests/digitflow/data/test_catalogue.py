import subprocess
import sys
from importlib import import_module

import pytest

from digitflow.data.catalogue import source_module
from digitflow.errors import InputError

KINDS = ["builtin", "images", "mnist", "table"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_source_of_the_config_has_its_module(kind):
    module = import_module(source_module(kind))
    assert callable(module.fingerprint)
    assert callable(module.load)


@pytest.mark.parametrize("kind", ["webcam", "", "mnist.py", "../mnist"])
def test_an_unknown_source_is_refused_with_the_known_ones(kind):
    with pytest.raises(InputError, match="known: builtin, images, mnist, table"):
        source_module(kind)


def test_importing_the_sources_loads_no_heavy_library():
    modules = ", ".join(source_module(kind) for kind in KINDS)
    code = (
        f"import sys, digitflow.data.validation, digitflow.data.splits, {modules}\n"
        "print({'sklearn', 'cv2', 'pandas', 'pyarrow', 'scipy'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
