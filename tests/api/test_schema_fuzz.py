"""Requests generated from the OpenAPI document get documented responses."""

from __future__ import annotations

import json
from itertools import cycle

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import create_app
from models import catalog
from tests.api.heavy import NAMES
from tests.api.serving import restored_logging, serving, settings_of
from tests.conftest import end_operators_acts
from tests.jobs.build import submitted

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
JOB_IDS = {"job_id", "video_id", "prediction_id"}
"""Parameters of paths that are the id of a job."""
NOWHERE = {"database_url": "postgresql://nowhere", "redis_url": "redis://x", "storage": "unused"}


@schemathesis.serializer("application/x-ndjson", "application/jsonl", "text/csv")
def as_text(_, value):
    return (value if isinstance(value, str) else json.dumps(value)).encode(errors="replace")


with restored_logging():
    schema = schemathesis.openapi.from_dict(create_app(settings_of(**NOWHERE)).openapi())
names = cycle([*catalog.CARDS, "heavy", "strict", "open", "sora"])
model_names = (*catalog.CARDS, *NAMES)
quick = settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def short_wait_api(make_settings, engine):
    """URL of an app that never waits, whatever `?wait=` a request has, and ends its streams."""
    with (
        pytest.MonkeyPatch.context() as patch,
        restored_logging(),
        serving(make_settings, longest_wait_seconds=0, models=model_names) as url,
    ):
        patch.setattr("api.events.responses.MAX_SECONDS", 0)
        yield url
    end_operators_acts(engine)


# a maintenance mode would refuse the requests of the tests after it
@schema.exclude(path="/v1/maintenance", method="PUT").parametrize()
@quick
def test_generated_requests_get_documented_responses(case, short_wait_api):
    case.call_and_validate(base_url=short_wait_api, checks=CHECKS)


@schema.include(path_regex="name").parametrize()
@quick
def test_generated_requests_for_a_model_get_documented_responses(case, short_wait_api, sessions):
    if "name" in case.path_parameters:
        case.path_parameters["name"] = next(names)

    case.call_and_validate(base_url=short_wait_api, checks=CHECKS)


@schema.include(path_regex="job_id|video_id|prediction_id").parametrize()
@quick
def test_generated_requests_for_a_job_get_documented_responses(case, short_wait_api, sessions):
    for name in JOB_IDS & set(case.path_parameters):
        case.path_parameters[name] = submitted(sessions)

    case.call_and_validate(base_url=short_wait_api, checks=CHECKS)
