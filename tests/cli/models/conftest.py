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
class CommandResult:
    """Output and exit code of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@dataclass
class ModelsCli:
    """Runs `kinomill models` with a fake Hub, a volume, and manifests of files on that Hub."""

    hub: FakeHub
    folder: Path
    capsys: pytest.CaptureFixture[str]
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def volume(self):
        return self.folder / "volume"

    def manifest(self, contents, *, model="tiny", extra="", **changes):
        """Publish files on the Hub and write their weights.toml."""
        self.hub.add(REPO, contents)
        entries = [entry(path, content, **changes) for path, content in contents.items()]
        path = self.folder / f"{model}.toml"
        path.write_text(f'schema = 1\nmodel = "{model}"\n\n' + "\n".join(entries) + extra)
        return path

    def env(self, **variables):
        ours = {
            "HF_ENDPOINT": self.hub.url,
            "KINOMILL_WEIGHTS": str(self.volume),
            "KINOMILL_WEIGHTS_RETRY_TIMEOUT": "PT2S",
            "NO_COLOR": "1",
            "COLUMNS": "200",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{self.folder}",
            "HOME": str(self.folder),
            "PATH": os.environ["PATH"],
        }
        return ours | self.variables | variables

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
        """Run the command line in this process, which saves a second of imports."""
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(self.folder)
            for name in [one for one in os.environ if one.startswith(("KINOMILL_", "HF_"))]:
                patch.delenv(name)
            for name, value in self.env(**variables).items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["kinomill", "models", *map(str, arguments)])
            with pytest.raises(SystemExit) as end:
                run()
        return CommandResult(end.value.code or 0, *self.capsys.readouterr())

    def run_in_process(self, *arguments, **variables):
        """Run the command in a process of its own."""
        return result_of(self.start(*arguments, **variables))


def result_of(process):
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err, err
    return CommandResult(process.returncode, out, err)


def entry(path, content, **changes):
    fields = {
        "path": path,
        "role": "weights",
        "source": f"hf://{REPO}@{COMMIT}/{path}",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "license": "MIT",
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in (fields | changes).items()]
    return "\n".join(["[[files]]", *lines, ""])


@pytest.fixture
def models(tmp_path, capsys):
    with fake_hub() as hub:
        yield ModelsCli(hub, tmp_path, capsys)
