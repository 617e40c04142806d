"""The real command line against a fake Hub, on a volume of its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cli.main import run
from tests.weights.fake_hub import COMMIT, FakeHub, fake_hub

ROOT = Path(__file__).parents[3]
REPO = "owner/model"


@dataclass
class Shown:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@dataclass
class Place:
    """A Hub, a volume, and manifests that name files of the one."""

    hub: FakeHub
    folder: Path
    capsys: pytest.CaptureFixture[str]
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def volume(self):
        return self.folder / "volume"

    def manifest(self, contents, *, model="tiny", extra="", **changes):
        """Publish files on the Hub, and write the weights.toml that asks for them."""
        self.hub.add(REPO, contents)
        entries = [entry(path, content, **changes) for path, content in contents.items()]
        path = self.folder / f"{model}.toml"
        path.write_text(f'schema = 1\nmodel = "{model}"\n\n' + "\n".join(entries) + extra)
        return path

    def env(self, **variables):
        mine = {
            "HF_ENDPOINT": self.hub.url,
            "KINOMILL_WEIGHTS": str(self.volume),
            "KINOMILL_WEIGHTS_PATIENCE": "PT2S",
            "NO_COLOR": "1",
            "COLUMNS": "200",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{self.folder}",
            "HOME": str(self.folder),
            "PATH": os.environ["PATH"],
        }
        return mine | self.variables | variables

    def start(self, *arguments, err=subprocess.PIPE, **variables):
        return subprocess.Popen(
            [sys.executable, "-m", "cli.main", "models", *map(str, arguments)],
            env=self.env(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
        )

    def __call__(self, *arguments, **variables):
        """Run the whole command line in this process, which spares it a second of imports."""
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(self.folder)
            for name in [one for one in os.environ if one.startswith(("KINOMILL_", "HF_"))]:
                patch.delenv(name)
            for name, value in self.env(**variables).items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["kinomill", "models", *map(str, arguments)])
            with pytest.raises(SystemExit) as end:
                run()
        return Shown(end.value.code or 0, *self.capsys.readouterr())

    def alone(self, *arguments, **variables):
        """Run it in a process of its own."""
        return ended(self.start(*arguments, **variables))


def ended(process):
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err, err
    return Shown(process.returncode, out, err)


def entry(path, content, **changes):
    facts = {
        "path": path,
        "role": "weights",
        "source": f"hf://{REPO}@{COMMIT}/{path}",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "license": "MIT",
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in (facts | changes).items()]
    return "\n".join(["[[files]]", *lines, ""])


@pytest.fixture
def models(tmp_path, capsys):
    with fake_hub() as hub:
        yield Place(hub, tmp_path, capsys)
