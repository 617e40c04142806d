"""`python -m cli.flower HOSTS PUBLIC_URL OPTION...`: what `kinomill flower` becomes.

Celery's own command imports the app that `-A` names with the current folder first on the path.
"""

from __future__ import annotations

import sys
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from flower import command
from flower.app import Flower
from flower.utils import template
from tornado.web import ErrorHandler

from cli.settings import environment
from jobs.ids import is_id
from jobs.queue.flower_app import app
from runtime.host_names import EVERY, host_name, is_loopback
from runtime.logs.program import start_logging
from runtime.logs.redaction import REDACTOR
from runtime.settings import LogSettings

if TYPE_CHECKING:
    from tornado.httputil import HTTPServerRequest


class GuardedFlower(Flower):
    """Flower that answers to names of this machine only, and to no page of another origin.

    Any web page could otherwise read it under a name of its own that resolves to this machine.
    """

    hosts: frozenset[str] = frozenset()
    """Names that are admitted beside those of the loopback interface."""

    def find_handler(self, request: HTTPServerRequest, **options: Any) -> Any:
        """The handler of a request; one that refuses it if Host or Origin is not admitted."""
        host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
        name = host_name(host)
        if not (is_loopback(name) or name in self.hosts or EVERY in self.hosts):
            return self._refuse(request, HTTPStatus.MISDIRECTED_REQUEST)
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return self._refuse(request, HTTPStatus.FORBIDDEN)
        return super().find_handler(request, **options)

    def _refuse(self, request: HTTPServerRequest, status: HTTPStatus) -> Any:
        return self.get_handler_delegate(request, Refusal, {"status_code": status.value})


class Refusal(ErrorHandler):
    """Says which setting admits the request."""

    def write_error(self, status_code: int, **_: Any) -> None:
        """Write one sentence."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        what = "page's origin" if status_code == HTTPStatus.FORBIDDEN else "name in Host"
        self.finish(
            f"Flower does not answer: the {what} is none of this machine. Use http://127.0.0.1 "
            "with its port, or add the name to KINOMILL_ALLOWED_HOSTS.\n"
        )


def main() -> None:
    """Run Flower until the process is stopped; the broker is `CELERY_BROKER_URL`.

    Its log is one of ours: Flower adds no handler to one that has some.
    """
    start_logging(LogSettings())
    logins = environment().get("FLOWER_BASIC_AUTH", "").split(",")
    REDACTOR.protect(login.partition(":")[2] for login in logins)
    GuardedFlower.hosts = frozenset(sys.argv[1].lower().split(",")) - {""}
    command.Flower = GuardedFlower
    link_jobs(sys.argv[2])
    app.start(["flower", *sys.argv[3:]])


def link_jobs(public_url: str) -> None:
    """Let the page of a task link to the page of its job, in the row of its root.

    Flower's templates call the functions of `flower.utils.template` by their names.
    """
    task_link, humanize = template.task_link, template.humanize

    def link(url: str, task_id: str) -> str:
        page = f"{public_url}/jobs/{quote(str(task_id))}" if is_id(str(task_id), "job") else url
        return str(task_link(page, task_id))

    def label(obj: object, type: str | None = None) -> object:
        return "Page of the job" if obj == "root_id" else humanize(obj, type)

    template.task_link, template.humanize = link, label


if __name__ == "__main__":
    main()
