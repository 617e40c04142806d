"""`python -m workers`: what `kinomill worker` becomes.

Celery's own command line would import all of its commands for this one. A spawned child imports
this module again, so that it is kept bare.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import TYPE_CHECKING

from runtime.gc_paused import gc_paused

if TYPE_CHECKING:
    from celery.worker import WorkController


def main() -> None:
    """Run a worker until it is told to stop."""
    parser = ArgumentParser(prog="python -m workers", description="Run a worker.")
    parser.add_argument("--hostname", required=True, help="%%h becomes the host")
    worker = made(parser.parse_args().hostname)
    worker.start()
    sys.exit(worker.exitcode)


def made(hostname: str) -> WorkController:
    """The worker. Ends the program with a sentence for settings that do not do."""
    with gc_paused():
        from celery.utils.nodenames import default_nodename, host_format
        from pydantic import ValidationError

        from models.catalog import UnknownModel
        from runtime.settings import describe_errors
        from workers.settings import keep_libraries_home

        try:
            keep_libraries_home()
            from workers.celery_app import app
        except ValidationError as error:
            sys.exit(f"kinomill: {describe_errors(error)}")
        except UnknownModel as error:
            sys.exit(f"kinomill: KINOMILL_MODELS: {error}")
        name = host_format(default_nodename(hostname))
        app.loader.import_default_modules()
        return app.Worker(hostname=name, without_mingle=True, quiet=True)


if __name__ == "__main__":
    main()
