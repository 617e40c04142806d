"""What both clients do with deliveries, as operations without I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from kinomill.deliveries.records import Delivery, DeliveryPage
from kinomill.transport.exchange import Request, exchange_json
from kinomill.watch import job_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kinomill.jobs import Job
    from kinomill.retry import RetryPolicy
    from kinomill.transport.exchange import Operation

PATH: Final = "/v1/deliveries"


@dataclass(frozen=True)
class DeliveryOperations:
    """The operations on deliveries of one client."""

    policy: RetryPolicy

    def page(self, query: Mapping[str, Any]) -> Operation[DeliveryPage]:
        """Get one page of deliveries."""
        params = {name: value for name, value in query.items() if value is not None}
        request = Request("GET", PATH, params=params)
        return DeliveryPage.from_json((yield from exchange_json(request, self.policy)))

    def of_job(self, job: Job | str) -> Operation[DeliveryPage]:
        """Get the deliveries of a job."""
        request = Request("GET", f"{job_path(job)}/deliveries")
        return DeliveryPage.from_json((yield from exchange_json(request, self.policy)))

    def redeliver(self, delivery: Delivery | str) -> Operation[Delivery]:
        """Send one again."""
        name = delivery.id if isinstance(delivery, Delivery) else delivery
        request = Request("POST", f"{PATH}/{quote(name, safe='')}/redeliver")
        return Delivery.from_json((yield from exchange_json(request, self.policy)))

    def redeliver_failed(self, url: str) -> Operation[int]:
        """Send all failed ones to an address again; returns how many."""
        request = Request("POST", f"{PATH}/redeliver", json={"url": url})
        total, more = 0, True
        while more:
            answer = yield from exchange_json(request, self.policy)
            total, more = total + answer["redelivered"], answer["more"]
        return total
