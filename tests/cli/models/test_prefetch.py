"""A server is asked to have weights pulled."""

from __future__ import annotations

import pytest

from jobs.fleet import prefetch_requests, worker_registry
from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from tests.api.conftest import make_settings, store
from tests.api.heavy import NAMES
from tests.api.serving import logging_kept, serving

__all__ = ["make_settings", "store"]


@pytest.fixture(scope="module")
def url(make_settings):
    with logging_kept(), serving(make_settings, models=NAMES) as url:
        yield url


@pytest.fixture
def has(sessions):
    """Let a live worker tell what it has of the heavy model."""

    def tell(name, state, **more):
        with sessions.begin() as session:
            worker_registry.register(session, name, models=[], pid=1)
            worker_registry.heartbeat(
                session, name, weights={"heavy": WeightsStatus(state=state, **more)}
            )

    return tell


def test_it_is_asked_for_and_each_worker_is_shown(models, url, has, sessions):
    has("a", WeightsState.DOWNLOADING, done_bytes=4000, total_bytes=8000)
    has("b", WeightsState.FAILED, detail="The source does not answer.")

    shown = models("prefetch", "heavy", KINOMILL_URL=url)

    assert shown.code == 0
    assert shown.out.splitlines() == [
        "asked for heavy (small, 8.00 kB)",
        "  a  downloading, 50 %",
        "  b  failed: The source does not answer.",
    ]
    with sessions() as session:
        assert set(prefetch_requests.requested(session)) == {"heavy"}


def test_without_a_worker_it_says_who_will_pull(models, url, sessions):
    shown = models("prefetch", "heavy", KINOMILL_URL=url)

    assert shown.code == 0
    assert "no worker serves it now" in shown.out


def test_programs_get_the_model_as_the_server_tells_it(models, url, sessions):
    told = models("prefetch", "heavy", "--json", KINOMILL_URL=url).json

    assert (told["name"], told["weights"]["state"]) == ("heavy", "absent")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sora", "no such model"),
        ("preview-lipsync", "has no weights"),
        ("strict", "KINOMILL_ACCEPT_LICENSES"),
    ],
)
def test_what_cannot_be_asked_for_is_a_sentence(models, url, sessions, name, words):
    shown = models("prefetch", name, KINOMILL_URL=url)

    assert shown.code == 1
    assert words in shown.err
