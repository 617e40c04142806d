"""Marks the Kubernetes pod of a busy worker, so that fewer pods means: end idle ones first.

A ReplicaSet that becomes smaller ends the pods with the lowest cost of deletion. The mark is best
effort: without it a busy worker may be ended, which gives its job back and loses no more than time.
"""

from __future__ import annotations

import json
import ssl
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

log = structlog.get_logger()

ANNOTATION = "controller.kubernetes.io/pod-deletion-cost"
BUSY, IDLE = "1000", "0"
"""Pods without the annotation have the cost 0."""
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes puts the token, the namespace and the certificates of its API into a pod."""
TIMEOUT_SECONDS = 5.0
POLL_SECONDS = 1.0
RETRY_SECONDS = 30.0
"""How long after a failure the mark is tried again, or changed."""


class PodNotMarked(Exception):
    """The API of Kubernetes refused, or was not reached. The text says why."""


@dataclass(frozen=True)
class PodMarker:
    """Sets the cost of deletion of one pod, with the service account of that pod."""

    pod: str
    host: str
    port: int
    folder: Path = SERVICE_ACCOUNT

    def set_cost(self, cost: str) -> None:
        """Set the annotation. Raises `PodNotMarked`."""
        try:
            status, reason = self._patch({"metadata": {"annotations": {ANNOTATION: cost}}})
        except (OSError, HTTPException) as error:
            raise PodNotMarked(f"{type(error).__name__}: {error}") from error
        if status == HTTPStatus.FORBIDDEN:
            raise PodNotMarked("its service account needs the verb patch of the resource pods")
        if status != HTTPStatus.OK:
            raise PodNotMarked(f"status {status}: {reason}")

    def _patch(self, change: dict[str, object]) -> tuple[int, str]:
        """The token is read each time: Kubernetes replaces it every hour."""
        token, namespace = (
            (self.folder / name).read_text().strip() for name in ("token", "namespace")
        )
        trust = ssl.create_default_context(cafile=self.folder / "ca.crt")
        connection = HTTPSConnection(self.host, self.port, timeout=TIMEOUT_SECONDS, context=trust)
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/merge-patch+json",
            "Accept": "application/json",
        }
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(self.pod, safe='')}"
        try:
            connection.request("PATCH", path, json.dumps(change), headers)
            response = connection.getresponse()
            response.read()
            return response.status, response.reason
        finally:
            connection.close()


@dataclass
class PodDeletionCost:
    """Follows in a thread whether the worker runs a job, and marks its pod."""

    marker: PodMarker
    running_tasks: Callable[[], Iterable[object]]
    _stopping: threading.Event = field(default_factory=threading.Event, init=False)
    _problem: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="pod-deletion-cost", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; the pod keeps its mark, as it ends as well."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(TIMEOUT_SECONDS)

    def _run(self) -> None:
        cost, wait = None, 0.0  # of a pod whose container has crashed, the mark is that of before
        while not self._stopping.wait(wait):
            wanted = BUSY if any(True for _ in self.running_tasks()) else IDLE
            wait = POLL_SECONDS
            if wanted == cost:
                continue
            if self._try_to_set(wanted):
                cost = wanted
            else:
                wait = RETRY_SECONDS

    def _try_to_set(self, cost: str) -> bool:
        """Log a problem once, until there is another one or none."""
        try:
            self.marker.set_cost(cost)
        except PodNotMarked as error:
            if self._problem != str(error):
                log.warning("pod not marked, it may be ended while busy", error=str(error))
            self._problem = str(error)
            return False
        self._problem = None
        return True
