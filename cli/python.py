"""Start a module of ours in another Python process, whatever lies in the current folder.

`python -m` puts that folder first on the path, where a `models.py` of the user's would hide our
package. `-P` keeps it out of the process, and the variable out of what the process spawns.
"""

from __future__ import annotations

import os
import sys
from typing import Final, NoReturn

SAFE_PATH: Final = {"PYTHONSAFEPATH": "1"}


def module_command(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module; `SAFE_PATH` belongs into its environment."""
    return [sys.executable, "-P", "-m", module, *arguments]


def exec_module(module: str, *arguments: str, **variables: str) -> NoReturn:
    """Replace this process by a module; secrets go into variables, never into arguments."""
    sys.stdout.flush()
    for name, value in (SAFE_PATH | variables).items():
        os.putenv(name, value)  # only the next program sees it
    os.execv(sys.executable, module_command(module, *arguments))  # noqa: S606 - no shell wanted
