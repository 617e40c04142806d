"""The revision of the weights of an attempt: noted with the job, and compared by exact retries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.errors import AttemptFailed, ErrorCode

if TYPE_CHECKING:
    from jobs.lease import Lease
    from models.spec import Card
    from workers.child.lease_keeper import LeaseKeeper
    from workers.shared.model_weights import ModelWeights


def require_pinned(lease: Lease, card: Card, weights: ModelWeights, keeper: LeaseKeeper) -> None:
    """Note the revision of the loaded weights as `weights_revision`; nothing without weights.

    Raises `AttemptFailed` (weights_changed) if the job wants another one, `WeightsError`.
    """
    if card.weights is None:
        return
    revision = weights.selection(card).revision
    keeper.note({"weights_revision": revision})
    if lease.pinned_weights not in {None, revision}:
        detail = (
            f"This worker has the weights of {card.name} in revision {revision}, and the job is an "
            f"exact retry of one that ran with {lease.pinned_weights}. Retry it without `exact`."
        )
        raise AttemptFailed(ErrorCode.WEIGHTS_CHANGED, detail)
