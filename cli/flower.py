"""`python -m cli.flower`: what `kinomill flower` becomes.

Celery's own command imports the app that `-A` names with the current folder first on the path.
"""

from __future__ import annotations

import sys

from jobs.queue.flower_app import app


def main() -> None:
    """Run Flower until the process is stopped; the broker is `CELERY_BROKER_URL`."""
    app.start(["flower", *sys.argv[1:]])


if __name__ == "__main__":
    main()
