"""Metadata is in pyproject.toml; here is only what it cannot say: the files of the top level that are installed."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("table_definitions", "config.example.py")


class BuildWithShippedFiles(build_py):
    """Copy the top level's definition files into the package; `tables.shipped_file` finds them in either place."""

    def run(self):
        super().run()
        if self.editable_mode:
            return
        here, package = Path(__file__).parent, Path(self.build_lib) / "wfc3_cte_monitor"
        for name in SHIPPED:
            if (here / name).is_dir():
                shutil.copytree(here / name, package / name, dirs_exist_ok=True)
            else:
                shutil.copy(here / name, package / name)


setup(cmdclass={"build_py": BuildWithShippedFiles})
