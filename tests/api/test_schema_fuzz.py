"""Requests made up from the OpenAPI document: whatever comes, the answer is a documented one."""

from __future__ import annotations

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
from tests.api.serving import logging_kept, serving, settings_of
from tests.jobs.build import submitted

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
NOWHERE = {"database_url": "postgresql://nowhere", "redis_url": "redis://x", "storage": "unused"}

with logging_kept():
    schema = schemathesis.openapi.from_dict(create_app(settings_of(**NOWHERE)).openapi())
names = cycle([*catalog.CARDS, "heavy", "strict", "open", "sora"])
offer = (*catalog.CARDS, *NAMES)
quick = settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def impatient(make_settings):
    """The address of an app that answers at once, whatever wait a request makes up."""
    with logging_kept(), serving(make_settings, longest_wait_seconds=0, models=offer) as url:
        yield url


@schema.parametrize()
@quick
def test_made_up_requests_get_documented_answers(case, impatient):
    case.call_and_validate(base_url=impatient, checks=CHECKS)


@schema.include(path_regex="name").parametrize()
@quick
def test_made_up_requests_about_a_model_get_documented_answers(case, impatient, sessions):
    if "name" in case.path_parameters:
        case.path_parameters["name"] = next(names)

    case.call_and_validate(base_url=impatient, checks=CHECKS)


@schema.include(path_regex="job_id").parametrize()
@quick
def test_made_up_requests_about_a_job_get_documented_answers(case, impatient, sessions):
    if "job_id" in case.path_parameters:
        case.path_parameters["job_id"] = submitted(sessions)

    case.call_and_validate(base_url=impatient, checks=CHECKS)
