"""`kinomill deliveries`: list deliveries of webhooks, and send them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinomill.cli.connection import connect
from kinomill.cli.output import print_json, say
from kinomill.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace

    from kinomill.client import Client
    from kinomill.deliveries.records import Delivery


def run_deliveries(given: Namespace) -> int:
    """List deliveries, or send them again."""
    with connect() as client:
        if given.act == "list":
            return _list(client, given)
        if given.delivery is not None:
            delivery = client.deliveries.redeliver(given.delivery)
            print_json(delivery.raw) if given.json else say(_line(delivery))
            return 0
        if given.url is None:
            raise UsageError("redeliver: write the ID of a delivery, or --url")
        count = client.deliveries.redeliver_failed(given.url)
    print_json({"redelivered": count}) if given.json else say(f"{count} are sent again")
    return 0


def _list(client: Client, given: Namespace) -> int:
    if given.job is not None:
        page = client.deliveries.of_job(given.job)
    else:
        page = client.deliveries.list(status=given.status, url=given.url, limit=given.limit)
    if given.json:
        print_json([delivery.raw for delivery in page])
        return 0
    for delivery in page:
        say(_line(delivery))
    return 0


def _line(delivery: Delivery) -> str:
    last = delivery.attempts[-1] if delivery.attempts else None
    reason = "" if last is None or delivery.status == "delivered" else last.reason or ""
    parts = [delivery.id, f"{delivery.status:<9}", delivery.event, delivery.job, delivery.url]
    return "  ".join([*parts, *filter(None, [reason])])
