"""`models prefetch` asks the workers of a server to pull weights."""

from __future__ import annotations

import pytest

from jobs.fleet import prefetch_requests, worker_registry
from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from tests.api.conftest import make_settings, store
from tests.api.heavy import NAMES
from tests.api.serving import restored_logging, serving

__all__ = ["make_settings", "store"]


@pytest.fixture(scope="module")
def url(make_settings):
    with restored_logging(), serving(make_settings, models=NAMES) as url:
        yield url


@pytest.fixture
def report_state(sessions):
    """Let a live worker report a state of the heavy model."""

    def report(name, state, **more):
        with sessions.begin() as session:
            worker_registry.register(session, name, models=[], pid=1)
            worker_registry.heartbeat(
                session, name, weights={"heavy": WeightsStatus(state=state, **more)}
            )

    return report


def test_a_prefetch_is_requested_and_each_worker_is_printed(models, url, report_state, sessions):
    report_state("a", WeightsState.DOWNLOADING, done_bytes=4000, total_bytes=8000)
    report_state("b", WeightsState.FAILED, detail="The source does not answer.")

    result = models("prefetch", "heavy", KINOMILL_URL=url)

    assert result.code == 0
    assert result.out.splitlines() == [
        "requested heavy (small, 8.00 kB)",
        "  a  downloading, 50 %",
        "  b  failed: The source does not answer.",
    ]
    with sessions() as session:
        assert set(prefetch_requests.requested(session)) == {"heavy"}


def test_without_a_worker_it_says_that_the_next_one_will_pull(models, url, sessions):
    result = models("prefetch", "heavy", KINOMILL_URL=url)

    assert result.code == 0
    assert "no worker serves it now" in result.out


def test_json_output_is_the_servers_response(models, url, sessions):
    output = models("prefetch", "heavy", "--json", KINOMILL_URL=url).json

    assert (output["name"], output["weights"]["state"]) == ("heavy", "absent")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sora", "no such model"),
        ("strict", "KINOMILL_ACCEPT_LICENSES"),
    ],
)
def test_a_prefetch_that_is_refused_prints_the_reason(models, url, sessions, name, message):
    result = models("prefetch", name, KINOMILL_URL=url)

    assert result.code == 1
    assert message in result.err


def test_a_model_without_weights_has_nothing_to_prefetch(models, url, sessions):
    result = models("prefetch", "preview-lipsync", KINOMILL_URL=url)

    assert result.code == 0
    assert "preview-lipsync has no weights" in result.err
