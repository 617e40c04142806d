"""Starts one of our modules in another Python process, independent of the current folder.

`python -m` puts the current folder first on the import path, where a `models.py` of the user would
shadow our package. `-P` prevents that in the process, the variable in its child processes.
"""

from __future__ import annotations

import os
import sys
from typing import Final, NoReturn

SAFE_PATH: Final = {"PYTHONSAFEPATH": "1"}


def module_command(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module; its environment must include `SAFE_PATH`."""
    return [sys.executable, "-P", "-m", module, *arguments]


def exec_module(module: str, *arguments: str, **variables: str) -> NoReturn:
    """Replace this process by a module; secrets go into variables, never into arguments."""
    sys.stdout.flush()
    for name, value in (SAFE_PATH | variables).items():
        os.putenv(name, value)  # only the new program sees them
    os.execv(sys.executable, module_command(module, *arguments))  # noqa: S606 - no shell wanted
