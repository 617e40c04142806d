"""Deleting a job with all that it has in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs import expiry, service

if TYPE_CHECKING:
    from api.context import Shop


def remove(job_id: str, shop: Shop, *, account: str) -> None:
    """Delete objects, then the row: a store that fails leaves the row, to be asked again.

    No session is open while objects are deleted, so the row is looked at twice. What an attempt
    that died had stored beside its video is found in the store alone.
    """
    with shop.sessions() as session:
        keys = service.delete(session, account, job_id)  # rolled back: it says which keys
    for key in keys:
        shop.storage.delete(key)
    for left in list(shop.storage.list_objects(expiry.result_prefix(job_id))):
        shop.storage.delete(left.key)
    with shop.sessions.begin() as session:
        service.delete(session, account, job_id)
