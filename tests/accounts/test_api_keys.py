"""Keys of the API: shown once, found by their beginning, good until revoked."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from sqlalchemy import text

from accounts import api_keys, audit
from accounts.api_keys import Scope
from runtime.async_database import AsyncConnection


@pytest.fixture
def session(sessions):
    """A session on a database without any keys."""
    with sessions() as session:
        yield session


def find(session, *presented):
    """What these keys permit, as the API looks them up."""
    session.commit()
    url = session.get_bind().url.render_as_string(hide_password=False)

    async def look_up():
        connection = AsyncConnection(url)
        try:
            return await connection.run(lambda opened: api_keys.find_keys(opened, presented))
        finally:
            await connection.close()

    return [found and (found.account, found.scopes) for found in asyncio.run(look_up())]


def create(session, *scopes, account="me"):
    return api_keys.create(session, account=account, name="laptop", scopes=scopes or (Scope.READ,))


def test_a_key_is_32_random_bytes_and_only_its_digest_is_stored(session):
    row, secret = create(session)
    other, another = create(session)

    assert secret.startswith("km_")
    assert len(bytes.fromhex(secret[3:])) == 32
    assert secret != another
    assert row.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert secret.startswith(row.prefix)
    columns = session.execute(text("SELECT api_keys::text FROM api_keys")).scalars()
    assert not any(secret in line for line in columns)
    assert row.id != other.id


def test_a_key_is_found_only_by_its_full_text(session):
    _, secret = create(session, Scope.SUBMIT, Scope.READ)

    _, other = create(session, account="they")

    assert find(session, secret, other) == [("me", ["read", "submit"]), ("they", ["read"])]


def test_malformed_keys_are_not_found(session):
    row, secret = create(session)

    wrong = [
        "", "km_", row.prefix, row.digest, row.id, secret[:-1], secret + "0", secret.upper(),
        f" {secret}", f"{secret}\n", secret.replace("km_", "KM_"), "km_" + "0" * 64,
        "km_" + "é" * 64, row.prefix + "0" * 52, "\0" * 67, secret[3:],
    ]  # fmt: skip

    assert find(session, *wrong) == [None] * len(wrong)


def test_a_revoked_key_stays_revoked(session):
    row, secret = create(session)
    _, other = create(session)

    first = api_keys.revoke(session, row.id).revoked_at
    again = api_keys.revoke(session, row.id).revoked_at

    assert find(session, secret, other) == [None, ("me", ["read"])]
    assert first == again is not None
    assert api_keys.revoke(session, "key_none") is None


def test_keys_are_listed_in_order_of_creation(session):
    ids = [create(session)[0].id for _ in range(3)]
    api_keys.revoke(session, ids[1])

    assert [row.id for row in api_keys.list_keys(session)] == ids


@pytest.mark.parametrize("account", ["", " ", "a b", "-a", "a" * 101, "a\0", "é", "a/b"])
def test_invalid_account_names_are_refused(session, account):
    with pytest.raises(ValueError, match="letters"):
        create(session, account=account)


def test_a_key_without_a_scope_is_refused(session):
    with pytest.raises(ValueError, match="scope"):
        api_keys.create(session, account="me", name="", scopes=[])


def test_a_key_is_found_by_one_index_lookup(session):
    _, secret = create(session)
    session.execute(text("SET LOCAL enable_seqscan = off"))
    plan = session.execute(
        text("EXPLAIN SELECT * FROM api_keys WHERE prefix = :p AND revoked_at IS NULL"),
        {"p": secret[: api_keys.PREFIX_LENGTH]},
    ).scalars()

    assert "uq_api_keys_prefix" in "\n".join(plan)


def test_creating_and_revoking_a_key_is_audited_without_the_key(session):
    row, secret = create(session)
    api_keys.revoke(session, row.id, actor=audit.Actor("ops", "key_1"))

    revoked, created = audit.entries(session, limit=2)

    assert (created.act, created.subject, created.actor[:3]) == ("key.create", row.id, "os:")
    assert created.details["account"] == "me"
    assert (revoked.act, revoked.actor, revoked.key_id) == ("key.revoke", "ops", "key_1")
    assert secret not in str(created.details)
