"""Requests to prefetch a model's weights."""

from __future__ import annotations

from jobs.fleet import prefetch_requests


def test_a_model_has_one_request_with_the_time_of_the_last(sessions):
    for model in ("wav2lip", "musetalk"):
        with sessions.begin() as session:
            prefetch_requests.request(session, model)
    with sessions() as session:
        before = prefetch_requests.requested(session)

    with sessions.begin() as session:
        prefetch_requests.request(session, "wav2lip")

    with sessions() as session:
        after = prefetch_requests.requested(session)
    assert set(before) == set(after) == {"wav2lip", "musetalk"}
    assert after["wav2lip"] > before["wav2lip"]
    assert after["musetalk"] == before["musetalk"]


def test_nothing_is_requested_at_first(sessions):
    with sessions() as session:
        assert prefetch_requests.requested(session) == {}
