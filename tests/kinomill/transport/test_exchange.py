"""What an answer means: a result, or an error."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from kinomill import ApiError, RateLimited
from kinomill.retry import RetryPolicy
from kinomill.transport.exchange import Request, exchange


def answer(response):
    """Run an operation whose only request gets this response."""
    response.request = httpx.Request("GET", "http://kinomill.test/v1/jobs")
    operation = exchange(Request("GET", "/v1/jobs"), RetryPolicy(max_retries=0))
    next(operation)
    operation.send(response)


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ({"retry-after": "7"}, 7, 7),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0, 0),
    ],
)
def test_retry_after_is_seconds_or_a_past_date(header, least, most):
    with pytest.raises(RateLimited) as error:
        answer(httpx.Response(429, headers=header))

    assert least <= error.value.retry_after <= most


def test_retry_after_is_the_time_until_a_date():
    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(RateLimited) as error:
        answer(httpx.Response(429, headers={"retry-after": in_an_hour}))

    assert 3000 <= error.value.retry_after <= 3600


FAR = f"Wed, 21 Oct {'9' * 20} 07:28:00 GMT"


@pytest.mark.parametrize("header", [{}, {"retry-after": "soon"}, {"retry-after": FAR}])
def test_without_a_valid_retry_after_there_is_none(header):
    with pytest.raises(RateLimited) as error:
        answer(httpx.Response(429, headers=header))

    assert error.value.retry_after is None


def test_a_redirect_names_the_address_to_use():
    with pytest.raises(ApiError, match=r"redirects to https://kinomill\.test/v1/jobs: use that"):
        answer(httpx.Response(301, headers={"location": "https://kinomill.test/v1/jobs"}))


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b""])
def test_an_error_without_a_problem_body_names_its_status(body):
    with pytest.raises(ApiError, match="the API answered 418") as error:
        answer(httpx.Response(418, content=body))

    assert error.value.code == "unknown"
