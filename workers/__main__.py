"""`python -m workers`: starts one worker, which `kinomill worker` runs.

Celery's own command line is not used, because it imports all of Celery's commands. A spawned child
imports this module again, so its imports are kept to a minimum.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import TYPE_CHECKING

from runtime.gc_paused import gc_paused
from workers.parent.early_child import EarlyChild

if TYPE_CHECKING:
    from celery.worker import WorkController


def main() -> None:
    """Run a worker until it is stopped."""
    parser = ArgumentParser(prog="python -m workers", description="Run a worker.")
    parser.add_argument("--hostname", required=True, help="%%h: host, %%g: GPUs, %%b: new digits")
    hostname = parser.parse_args().hostname
    early = EarlyChild.start()
    try:
        worker = create_worker(hostname)
        early.use_for_first_spawn()
        worker.start()
    except KeyboardInterrupt:  # before Celery handles it
        sys.exit(130)
    finally:
        early.discard()
    sys.exit(worker.exitcode)


def create_worker(hostname: str) -> WorkController:
    """Create Celery's worker, not started. Exits with a message if a setting is invalid."""
    with gc_paused():
        from runtime.optional_imports import import_redis, import_structlog

        import_structlog()
        import_redis()
        from pydantic import ValidationError

        from runtime.config.errors import describe_errors
        from runtime.settings import unknown_settings, warn_of_settings
        from runtime.traces.tracing import exit_if_unavailable
        from workers.gpus.devices import NoSuchDevices, ask_driver, check_group
        from workers.settings import (
            WorkerSettings,
            check_model_settings,
            set_library_caches,
            visible_devices,
        )
        from workers.shared.served_models import (
            UNKNOWN_NAME,
            check_profiles,
            ineffective_settings,
            served_cards,
        )
        from workers.worker_name import InvalidName, check_pattern, worker_name

        try:
            check_pattern(hostname)
            set_library_caches()
            from workers.celery_app import make_app, set_up_logging
            from workers.parent.lifecycle import connect_signals

            settings = WorkerSettings()
            check_model_settings()
            setting = "KINOMILL_MODELS"
            cards = served_cards(settings)
            setting = "KINOMILL_WEIGHTS_PROFILES"
            check_profiles(settings, cards)
            if settings.gpus_per_worker > 1:
                check_group(visible_devices(), settings.gpus_per_worker, ask_driver)
            name = worker_name(hostname, visible_devices())
            app = make_app(settings, cards, name)
        except ValidationError as error:
            sys.exit(f"kinomill: {describe_errors(error)}")
        except (NoSuchDevices, InvalidName) as error:
            sys.exit(f"kinomill worker: {error}")
        except UNKNOWN_NAME as error:
            sys.exit(f"kinomill: {setting}: {error}")
        exit_if_unavailable("kinomill worker")
        set_up_logging(settings, name)
        warn_of_settings([*unknown_settings(), *ineffective_settings(settings, cards)])
        connect_signals(settings, cards)
        return app.Worker(hostname=name, without_mingle=True, without_gossip=True, quiet=True)


if __name__ == "__main__":
    main()
