"""The line of each request in the log: it holds no secret and steers no terminal."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from api.middleware.finished_requests import loggable
from tests.jobs.build import submitted

TOKEN = "01a2261dec307563ac29dd9796293865e8c0c01172388a9556404615bec370e2a1804603b35"


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f"/v1/shared/{TOKEN}", "/v1/shared/{token}"),
        (f"/v1/shared/{TOKEN}/result", "/v1/shared/{token}/result"),
        (f"/shared/{TOKEN}", "/shared/{token}"),
        (f"/prefix/V1/Shared/{TOKEN}", "/prefix/V1/Shared/{token}"),
        (f"/v1/shared//{TOKEN}", "/v1/shared/{token}"),
        (f"/v1/shared/{TOKEN}.", "/v1/shared/{token}"),
        (f"/v1/shared/{TOKEN}\n/x/1", "/v1/shared/{token}"),
        ("/v1/jobs/job_x/shares", "/v1/jobs/job_x/shares"),
        ("/v1/jobs/\x1b[31m\x00", r"'/v1/jobs/\x1b[31m\x00'"),
        ("/v1/jobs/\ud800", r"'/v1/jobs/\ud800'"),
    ],
)
def test_a_path_is_logged_without_secrets_and_control_characters(path, shown):
    assert loggable(path) == shown


def test_the_link_of_a_share_is_not_logged(client, sessions, monkeypatch):
    monkeypatch.setattr("logging.Logger.isEnabledFor", lambda *_: True)
    url = client.post(f"/v1/jobs/{submitted(sessions)}/share", json={}).json()["url"]
    with capture_logs() as lines:
        assert client.get(url).status_code == 200

    assert [line["path"] for line in lines if line["event"] == "request"] == ["/v1/shared/{token}"]
