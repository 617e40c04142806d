"""The license gate: on a worker, nothing of a non-commercial model moves unless accepted."""

from __future__ import annotations

import pytest

from jobs.errors import AttemptFailed, ErrorCode
from jobs.states import State
from tests.jobs import build
from tests.workers.tiny.card import CARD, UNFREE
from workers import licenses
from workers.child.run_job import run_job
from workers.parent.supervisor import check_licenses
from workers.preflight import UnsafeConfiguration


def test_a_worker_refuses_to_warm_up_what_nobody_accepted():
    with pytest.raises(UnsafeConfiguration, match="KINOMILL_ACCEPT_LICENSES") as refused:
        check_licenses([CARD, UNFREE], frozenset())

    assert "'tiny-nc'" in str(refused.value)
    assert "CC-BY-NC-4.0" in str(refused.value)


def test_what_is_accepted_or_free_is_let_in():
    check_licenses([CARD, UNFREE], frozenset({"tiny-nc"}))
    licenses.check(CARD, frozenset())


def test_a_job_of_such_a_model_is_refused_by_code():
    with pytest.raises(AttemptFailed) as refused:
        licenses.check(UNFREE, frozenset())

    assert refused.value.code is ErrorCode.LICENSE_NOT_ACCEPTED
    assert not refused.value.retryable


def test_an_attempt_of_such_a_model_fails_before_a_byte_is_pulled(context, sessions, hub):
    context = type(context)(**vars(context) | {"cards": {"tiny-nc": UNFREE}})
    job_id = build.submitted(sessions, model="tiny-nc", queue="tiny-nc", input={})

    run_job(job_id, context)

    job = build.job(sessions, job_id)
    assert (job.state, job.error["code"]) == (State.FAILED, "license_not_accepted")
    assert hub.requests == 0
