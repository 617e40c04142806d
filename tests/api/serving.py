"""The app behind a real uvicorn on a free port."""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import contextmanager

from api.app import create_app
from api.connections.limits import ConnectionLimits
from api.server import ApiServer
from api.settings import ApiSettings
from tests.waiting import until


def settings_of(**values):
    secret = "a secret of the tests, long enough"
    return ApiSettings(**({"secret_key": secret, "log_level": "CRITICAL", "auth": "off"} | values))


@contextmanager
def restored_logging():
    """Restore logging after the block: an app configures it for the whole process."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:], root.level = before


@contextmanager
def serving(make_settings, *, public=None, **changes):
    """Serve until the block ends; yields the URL. `public` overrides the URL in links."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = create_app(make_settings(public_url=public or url, **changes))
        with running(app, listener):
            yield url


@contextmanager
def running(app, listener, limits=None):
    """An app under our server, in a thread, until the block ends."""
    server = ApiServer(app, limits or ConnectionLimits())
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive(), what="uvicorn")
        yield server
    finally:
        server.should_exit = True
        thread.join(timeout=10)


def closed_port():
    """A port of this machine that refuses connections."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
