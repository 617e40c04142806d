"""`python -m maintenance`: the maintenance program, also started by `kinomill maintenance`."""

from __future__ import annotations

import sys


def run() -> None:
    """Run maintenance. Ctrl-C ends it without a traceback also while modules are imported."""
    try:
        from maintenance.program import main

        main()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    run()
