"""Take what `digitflow init` copies into the wheel: it lies at the top of the repository."""

from pathlib import Path
from shutil import copy, copytree

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfigs(build_py):
    def run(self):
        super().run()
        if not self.editable_mode:  # there the repository itself is at hand
            target = Path(self.build_lib) / "digitflow" / "project" / "template"
            copytree("configs", target / "configs", dirs_exist_ok=True)
            copy("prefect.yaml", target)


setup(cmdclass={"build_py": BuildWithConfigs})
