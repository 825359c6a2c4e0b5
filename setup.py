"""Puts notebooks/, params/ and workflow/ into a wheel as pielab/project/, which `pielab.store.paths.shipped` finds.

An editable install has the clone's. Everything else about the package is in pyproject.toml.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithProject(build_py):
    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            project = Path(self.build_lib, "pielab", "project")
            shutil.rmtree(project, ignore_errors=True)
            for name in ("notebooks", "params", "workflow"):
                shutil.copytree(name, project / name, ignore=shutil.ignore_patterns(".*", "*.py", "__pycache__"))


setup(cmdclass={"build_py": BuildWithProject})
