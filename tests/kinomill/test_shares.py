"""Links to jobs, by the client and from a terminal."""

from __future__ import annotations

import httpx

from tests.jobs.build import submitted
from tests.kinomill.cli.command import kinomill


def test_a_share_is_made_listed_and_revoked(client, sessions):
    job_id = submitted(sessions)

    share = client.shares.create(job_id, expires_in=60)

    assert (share.expires_at - share.created_at).total_seconds() == 60
    assert httpx.get(share.url).json()["status"] == "queued"
    assert client.shares.list(job_id) == (share,)
    client.shares.revoke(job_id, share)
    client.shares.revoke(job_id, share.id)
    assert client.shares.list(job_id) == ()
    assert httpx.get(share.url).status_code == 404


def test_a_terminal_prints_the_link(server, client, sessions):
    job_id = submitted(sessions)

    made = kinomill("share", job_id, "--expires", "1h", KINOMILL_URL=server)
    listed = kinomill("share", job_id, "--list", KINOMILL_URL=server)
    [share] = client.shares.list(job_id)
    revoked = kinomill("share", job_id, "--revoke", share.id, KINOMILL_URL=server)

    assert made.stdout.strip() == share.url, made.stderr
    assert share.id in listed.stdout
    assert revoked.stdout.strip() == "revoked"
    assert client.shares.list(job_id) == ()
