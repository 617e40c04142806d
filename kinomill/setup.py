"""Which packages the distribution `kinomill` has; everything else is in pyproject.toml.

This folder is the package itself. setuptools finds the packages of a folder, not the folder.
"""

from __future__ import annotations

from setuptools import find_packages, setup

setup(
    script_name="setup.py",  # so that this file does not count as a module
    packages=["kinomill", *(f"kinomill.{name}" for name in find_packages())],
    package_dir={"kinomill": "."},
)
