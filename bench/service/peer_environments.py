"""A virtual environment for each peer, created at its first use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from runtime.files import sha256_file

PEERS = Path(__file__).parents[1] / "peers"
DEFAULT_FOLDER = Path.home() / ".cache" / "kinomill-bench"


def peer_python(peer: str, folder: Path) -> Path:
    """The Python of a peer's environment below `folder`, with the versions of `PEER.txt`."""
    requirements = PEERS / f"{peer}.txt"
    environment = folder / f"{peer}-{sha256_file(requirements)[:12]}"
    python = environment / "bin" / "python"
    complete = environment / "complete"
    if not complete.exists():
        print(f"installing the peer {peer} into {environment}", file=sys.stderr)
        _run(sys.executable, "-m", "venv", "--clear", str(environment))
        _run(str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements))
        complete.touch()
    return python


def _run(*command: str) -> None:
    """Run a command. Its messages are shown only if it fails."""
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
