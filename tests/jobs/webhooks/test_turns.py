"""Accounts and receivers take turns, and an address that answered 410 gets nothing any more."""

from __future__ import annotations

from jobs.webhooks import outbox
from jobs.webhooks.in_flight import MAX_PER_RECEIVER, InFlight
from tests.jobs import build
from tests.jobs.webhooks.test_outbox import URL, canceled_waiting, claim, fail, rows


def test_a_410_disables_the_address_for_waiting_and_later_messages_of_the_account(sessions):
    for _ in range(3):
        canceled_waiting(sessions)
    build.cancel(
        sessions, build.submitted(sessions, webhook_url=URL, account="other"), account="other"
    )

    fail(sessions, claim(sessions), status=410)
    canceled_waiting(sessions)
    message = claim(sessions)

    assert message.account == "other"
    assert claim(sessions) is None
    states = [(row.attempts, row.given_up_at is not None) for row in rows(sessions)]
    assert sorted(states) == [(0, True)] * 3 + [(1, False), (1, True)]


def test_another_address_works_after_a_410(sessions):
    canceled_waiting(sessions)
    fail(sessions, claim(sessions), status=410)

    build.cancel(sessions, build.submitted(sessions, webhook_url=URL + "?v=2"))

    assert claim(sessions).url == URL + "?v=2"


def test_accounts_take_turns_however_many_messages_wait(sessions):
    for _ in range(30):
        canceled_waiting(sessions)
    build.cancel(
        sessions, build.submitted(sessions, webhook_url=URL, account="other"), account="other"
    )
    flying, claimed = InFlight(), []

    while True:
        with sessions.begin() as session:
            some = outbox.claim_due(session, flying, limit=5)
        if not some:
            break
        for message in some:
            flying.add(message)
        claimed += some

    assert [one.account for one in claimed].count("local") == MAX_PER_RECEIVER
    assert [one.account for one in claimed].count("other") == 1


def test_a_full_receiver_leaves_the_other_receivers_of_its_account(sessions):
    for _ in range(30):
        canceled_waiting(sessions)
    build.cancel(sessions, build.submitted(sessions, webhook_url="https://B.example:444/"))
    flying, urls = InFlight(), []

    for _ in range(3):
        with sessions.begin() as session:
            some = outbox.claim_due(session, flying)
        for message in some:
            flying.add(message)
            urls.append(message.url)

    assert urls == [URL] * MAX_PER_RECEIVER + ["https://B.example:444/"]
