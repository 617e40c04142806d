"""A webhook is submitted as JSON and as a form."""

from __future__ import annotations

import pytest

from kinomill import InvalidInput
from tests.api.build import MODEL, URLS


@pytest.mark.parametrize("upload", [False, True])
def test_a_webhook_is_part_of_a_submission(client, sessions, files, upload):
    url = "https://example.com/job-ended"

    job = client.submit(MODEL, files if upload else URLS, webhook=url)

    assert job.webhook["url"] == url


def test_a_webhook_without_an_address_is_refused(client, sessions):
    with pytest.raises(InvalidInput) as refusal:
        client.submit(MODEL, URLS, webhook="")

    assert refusal.value.code == "url_not_allowed"
