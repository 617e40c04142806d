"""A webhook goes with a submission, as JSON and as a form."""

from __future__ import annotations

import pytest

from kinomill.errors import ApiError
from tests.api.build import MODEL, URLS


@pytest.mark.parametrize("upload", [False, True])
def test_a_webhook_goes_with_a_submission(client, sessions, files, upload):
    url = "https://example.com/told"

    job = (
        client.submit(MODEL, {}, files=files, webhook=url)
        if upload
        else client.submit(MODEL, URLS, webhook=url)
    )

    assert job["webhook"] == {"url": url}


def test_a_webhook_that_may_not_be_called_is_refused(client, sessions):
    with pytest.raises(ApiError) as refusal:
        client.submit(MODEL, URLS, webhook="")

    assert refusal.value.code == "url_not_allowed"
