"""Licenses: weights of a non-commercial model are neither pulled nor run unless it is accepted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.errors import AttemptFailed, ErrorCode
from jobs.states import State
from models.spec import License
from tests.jobs import build
from tests.workers.tiny.card import CARD, UNFREE
from workers.child.run_job import run_job
from workers.preflight import UnsafeConfiguration, check_license, check_licenses


def test_a_worker_refuses_to_start_with_a_license_that_was_not_accepted():
    with pytest.raises(UnsafeConfiguration, match="KINOMILL_ACCEPT_LICENSES") as refused:
        check_licenses([CARD, UNFREE], frozenset())

    assert "'tiny-nc'" in str(refused.value)
    assert "CC-BY-NC-4.0" in str(refused.value)


def test_accepted_and_commercial_licenses_pass():
    check_licenses([CARD, UNFREE], frozenset({"tiny-nc"}))
    check_license(CARD, frozenset())


def test_a_license_with_restrictions_must_be_accepted_too():
    card = replace(CARD, license=License("openrail++", commercial="conditional"))

    with pytest.raises(UnsafeConfiguration, match="for commercial use within restrictions"):
        check_licenses([card], frozenset())
    check_licenses([card], frozenset({card.name}))


def test_a_card_of_before_may_say_true_or_false():
    assert License("MIT", commercial=True).commercial == "yes"
    assert License("CC-BY-NC-4.0", commercial=False).commercial == "no"
    with pytest.raises(ValueError, match="'perhaps'"):
        License("MIT", commercial="perhaps")


def test_a_job_is_refused_by_code_if_the_license_was_not_accepted():
    with pytest.raises(AttemptFailed) as refused:
        check_license(UNFREE, frozenset())

    assert refused.value.code is ErrorCode.LICENSE_NOT_ACCEPTED
    assert not refused.value.retryable


def test_an_attempt_without_an_accepted_license_fails_before_a_byte_is_pulled(
    context, sessions, hub
):
    context = type(context)(**vars(context) | {"cards": {"tiny-nc": UNFREE}})
    job_id = build.submitted(sessions, model="tiny-nc", queue="tiny-nc", input={})

    run_job("tiny-nc", context)

    job = build.job(sessions, job_id)
    assert (job.state, job.error["code"]) == (State.FAILED, "license_not_accepted")
    assert hub.requests == 0
