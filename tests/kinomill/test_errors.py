"""Errors by code and status."""

from __future__ import annotations

import pickle

import pytest

import kinomill
from kinomill.errors import ApiError, api_error


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_json", kinomill.InvalidInput),
        (401, "unauthorized", kinomill.Unauthorized),
        (403, "insufficient_scope", kinomill.Forbidden),
        (403, "license_not_accepted", kinomill.Forbidden),
        (404, "job_not_found", kinomill.NotFound),
        (409, "job_not_finished", kinomill.Conflict),
        (410, "result_expired", kinomill.Expired),
        (413, "body_too_large", kinomill.InvalidInput),
        (415, "unsupported_media_type", kinomill.InvalidInput),
        (422, "no_face", kinomill.InvalidInput),
        (429, "account_limit", kinomill.AccountLimit),
        (429, "unknown", kinomill.RateLimited),
        (503, "queue_full", kinomill.QueueFull),
        (503, "database_unavailable", kinomill.ServerError),
        (500, "internal_error", kinomill.ServerError),
        (418, "unknown", ApiError),
    ],
)
def test_the_class_of_an_error_follows_from_code_and_status(status, code, kind):
    error = api_error(status, {"code": code, "detail": "why"})

    assert type(error) is kind
    assert isinstance(error, kinomill.KinomillError)
    assert (error.status, error.code, error.detail, str(error)) == (status, code, "why", "why")


def test_both_limits_are_caught_as_one():
    assert issubclass(kinomill.AccountLimit, kinomill.RateLimited)
    assert issubclass(kinomill.QueueFull, kinomill.RateLimited)


def test_an_error_names_each_field():
    errors = [{"pointer": "/input/fps", "message": "must be at least 1"}]

    error = api_error(422, {"code": "invalid_input", "errors": errors})

    assert error.errors == (("/input/fps", "must be at least 1"),)
    assert error.errors[0].pointer == "/input/fps"


@pytest.mark.parametrize(("status", "retryable"), [(502, True), (504, True), (500, False)])
def test_the_answer_of_a_gateway_is_retryable_by_its_status(status, retryable):
    error = api_error(status, {})

    assert (error.code, error.retryable) == ("unknown", retryable)
    assert str(error) == f"the API answered {status}"


@pytest.mark.parametrize(
    ("error", "attribute"),
    [
        (api_error(429, {"code": "account_limit", "detail": "why"}, retry_after=3), "retry_after"),
        (kinomill.Unreachable("http://x", "timed out"), "url"),
        (kinomill.InputFileError("image", "no file"), "field"),
    ],
)
def test_an_error_can_be_pickled(error, attribute):
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert getattr(copy, attribute) == getattr(error, attribute)
