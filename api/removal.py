"""Deleting a job with all that it has in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs import service

if TYPE_CHECKING:
    from api.shop import Shop


def remove(job_id: str, shop: Shop, *, account: str) -> None:
    """Delete objects, then the row: a store that fails leaves the row, to be asked again.

    No session is open while objects are deleted, so the row is looked at twice.
    """
    with shop.sessions() as session:
        keys = service.delete(session, account, job_id)  # rolled back: it says which keys
    for key in keys:
        shop.storage.delete(key)
    with shop.sessions.begin() as session:
        service.delete(session, account, job_id)
