"""Locks of uploaded files, held until the commit: no accepted job or batch loses its file.

A submission shares the lock of each file that it names (`lock_and_find_gone` of the database). A
deletion takes the lock of each of its files, then looks for jobs and rows that need them. A batch
may name more files than PostgreSQL's table of locks has places. So it takes one lock over the files
of its account, which deletions of that account's files share; those of others never wait for it.

A file belongs to one account: its id carries an HMAC over the account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session

_LOCK_ACCOUNT = text("SELECT pg_advisory_xact_lock(6712580, hashtext(:account))")
_SHARE_ACCOUNTS = text("""
SELECT pg_advisory_xact_lock_shared(6712580, hashtext(account))
FROM (SELECT DISTINCT unnest(CAST(:accounts AS text[])) AS account ORDER BY 1) AS named
""")
_LOCK = text("""
SELECT pg_advisory_xact_lock(6712578, hashtext(file))
FROM (SELECT DISTINCT unnest(CAST(:files AS text[])) AS file ORDER BY 1) AS named
""")
"""Waits for the submissions that name one of these files now; later ones wait for this commit."""


def lock_files(session: Session, files: Collection[str]) -> None:
    """Lock files against submissions that name them, and against deletions."""
    if files:
        session.execute(_LOCK, {"files": list(files)})


def lock_for_deletion(session: Session, files: Collection[str], accounts: Collection[str]) -> None:
    """Lock files, all of them of these accounts, against submissions and batches that name them."""
    if files:
        session.execute(_SHARE_ACCOUNTS, {"accounts": list(accounts)})
        lock_files(session, files)


def lock_for_batch(session: Session, account: str) -> None:
    """Lock all files of an account against deletions. Others of its batches wait, too."""
    session.execute(_LOCK_ACCOUNT, {"account": account})
