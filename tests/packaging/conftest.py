"""Both distributions as wheels, and environments that contain them without the checkout."""

from __future__ import annotations

import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def checkout(target):
    """Hard-link the files of this checkout, so that a build leaves nothing behind in it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source, copy = ROOT / name, target / name
        if source.is_symlink() or source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.symlink_to(source.readlink()) if source.is_symlink() else copy.hardlink_to(source)
    return target


def pip(*arguments, **options):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(frozen=True)
class Environment:
    """A virtual environment without pip."""

    folder: Path

    @classmethod
    def create(cls, folder):
        venv.create(folder, symlinks=True)
        return cls(folder)

    @property
    def site_packages(self):
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def install(self, *arguments):
        pip("--python", self.folder / "bin" / "python", "install", *arguments)

    def run(self, program, *arguments, cwd, **variables):
        env = {"PATH": "/usr/bin:/bin", "HOME": str(cwd), "COLUMNS": "200", "NO_COLOR": "1"}
        return subprocess.run(
            [self.folder / "bin" / program, *arguments],
            cwd=cwd,
            env=env | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture(scope="session")
def wheels(tmp_path_factory):
    """Build both wheels in one call; returns the client's and the server's."""
    folder = tmp_path_factory.mktemp("wheels")
    source = checkout(tmp_path_factory.mktemp("checkout"))
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder)
    pip("wheel", *options, source / "kinomill", source)
    (client,) = folder.glob("kinomill-*.whl")
    (server,) = folder.glob("kinomill_server-*.whl")
    return client, server


@pytest.fixture(scope="session")
def client_environment(wheels, tmp_path_factory):
    """The client and its dependencies, in the versions of constraints.txt."""
    environment = Environment.create(tmp_path_factory.mktemp("client") / "venv")
    environment.install("--quiet", "-c", ROOT / "constraints.txt", wheels[0])
    return environment


@pytest.fixture(scope="session")
def server_environment(wheels, tmp_path_factory):
    """Both wheels; the libraries are those of the environment that runs the tests."""
    environment = Environment.create(tmp_path_factory.mktemp("server") / "venv")
    environment.install("--quiet", "--no-deps", "--no-index", *wheels)
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    (environment.site_packages / "libraries.pth").write_text("\n".join(libraries))
    return environment
