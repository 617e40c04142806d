"""The webhook sender in a process of its own, allowed to call a receiver on this machine."""

from __future__ import annotations

import sys
import threading

from maintenance.webhook_sender import WebhookSender
from runtime.database import create_database_engine, create_session_factory
from tests.maintenance.receiver import policy_for


def main(database_url, port, key):
    sessions = create_session_factory(create_database_engine(database_url))
    sender = WebhookSender(sessions, key.encode(), "http://api.test", policy_for(int(port)))
    for thread in sender.threads():
        thread.start()
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
