"""A rotated secret signs beside the one before it, until that ends."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import timedelta

import pytest

from jobs.webhooks import outbox, rotation, signing
from jobs.webhooks.in_flight import InFlight
from tests.api.ending import succeed
from tests.jobs import build

KEY = b"the key of the deployment"


@pytest.fixture
def claimed_versions(sessions):
    """The versions that sign the next message of the account `local`."""

    def claim():
        succeed(sessions, build.submitted(sessions, webhook_url="https://example.com/hook"))
        with sessions.begin() as session:
            (message,) = outbox.claim_due(session, InFlight())
        return message.secret_versions

    return claim


def rotate(sessions, account="local", **options):
    with sessions.begin() as session:
        return rotation.rotate(session, account, **options)


def test_without_a_rotation_the_first_secret_signs(sessions, claimed_versions):
    rotate(sessions, "another")

    assert claimed_versions() == (1,)


def test_two_secrets_sign_until_the_overlap_ends(sessions, claimed_versions):
    assert rotate(sessions) == 2
    assert claimed_versions() == (2, 1)
    assert rotate(sessions, overlap=timedelta(0)) == 3
    assert claimed_versions() == (3,)
    with sessions() as session:
        assert rotation.version(session, "local") == 3


def test_a_receiver_with_either_secret_accepts_the_message():
    secrets = [signing.secret_of("a", KEY, version) for version in (3, 2, 1)]
    headers = signing.sign(b"{}", secrets=secrets[:2], message_id="msg_1", timestamp=1000)

    accepted = [verifies(b"{}", headers, secret) for secret in secrets]

    assert accepted == [True, True, False]


def verifies(body, headers, secret):
    """Whether one of the signatures is that of a receiver's secret, as Standard Webhooks says."""
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()
    return f"v1,{expected}" in headers["webhook-signature"].split(" ")
