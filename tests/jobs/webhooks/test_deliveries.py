"""A delivery that is deleted with its job at the moment of an act is not found."""

from __future__ import annotations

import pytest

from jobs import service
from jobs.errors import ErrorCode, RequestError
from jobs.tables import WebhookRow
from jobs.webhooks import deliveries
from tests.api.ending import succeed
from tests.jobs import build


def test_a_redelivery_of_what_is_deleted_meanwhile_is_not_found(sessions, monkeypatch):
    job_id = build.submitted(sessions, webhook_url="https://example.com/hook")
    succeed(sessions, job_id)
    with sessions() as session:
        (message,) = session.query(WebhookRow.id).one()
    enable = deliveries._enable

    def delete_meanwhile(session, account, url):
        with sessions.begin() as other:
            service.delete(other, "local", job_id)
        enable(session, account, url)

    monkeypatch.setattr(deliveries, "_enable", delete_meanwhile)

    with sessions.begin() as session, pytest.raises(RequestError) as refused:
        deliveries.redeliver(session, "local", message)

    assert refused.value.code == ErrorCode.DELIVERY_NOT_FOUND
