"""The jobs that one message runs, one after another.

The next job is claimed in the transaction that publishes the result before it: one flush of the
database and one round trip a job, instead of two. Publication comes first, so that the transaction
waits for no job while it holds another. Both are stored, or none of them; a worker that is killed
after that loses the new job's lease, as it would with any job.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import structlog
from sqlalchemy.exc import OperationalError

from jobs import lease as leases
from jobs.errors import LeaseLost
from jobs.queue.claim import ClaimResult, claim, claim_request, claim_result, find_claimed
from workers.child.claims.retries import once, with_retry

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from jobs.lease import Lease
    from jobs.queue.claim import Claimant
    from runtime.postgres.direct import DirectConnection, Request

log = structlog.get_logger()

MAX_CLAIMS = 100
"""Tries of a claim. With a limit per account each try holds the jobs of one account, which makes
way for the jobs of others; without, the second one looks at more jobs than the first."""


@dataclass
class Claims:
    """Claims jobs for one message: the first, and the next ones while some are due."""

    claimant: Claimant
    engine: Engine
    """Made by `create_worker_engine`."""
    seconds: float
    """After this time no other job is claimed."""
    _began: float = field(default_factory=time.monotonic, init=False)
    _more: bool = field(default=True, init=False)
    _claimed: ClaimResult | None = field(default=None, init=False)
    _uncertain: UUID | None = field(default=None, init=False)
    """The token of a claim whose reply was lost."""

    def first(self) -> Lease | None:
        """The most urgent job. None: no job is due; others had them all."""
        return self._claim(uuid4())

    def next(self) -> Lease | None:
        """The next job, once the one before has ended. None: the message has done its work."""
        lease, token = self._taken()
        if lease is not None:
            return lease
        if token is not None:
            return self._claim(token, repeated=True)
        return self._claim(uuid4()) if self._goes_on else None

    def give_back(self, max_preemptions: int) -> None:
        """Queue the job again that was claimed and will not run here, if there is one."""
        lease, token = self._taken()
        if token is not None:
            lease = with_retry(
                self.engine, lambda connection: find_claimed(connection, self.claimant, token)
            )
        if lease is not None:
            log.info("a claimed job goes back to the queue", job=lease.job_id)
            with_retry(
                self.engine, lambda connection: _give_back(connection, lease, max_preemptions)
            )

    def publish(self, lease: Lease, success: Request) -> None:
        """Store that the job of this lease has succeeded (`jobs.lease.success_request`).

        Raises `LeaseLost`.
        """
        if self._goes_on and self.claimant.max_running is None and not lease.limited:
            try:
                return self._publish_and_claim(lease, success)
            except OperationalError:  # whatever has become of it, the retries find out
                pass
        with_retry(self.engine, lambda connection: _publish(connection, lease, success))
        return None

    def _taken(self) -> tuple[Lease | None, UUID | None]:
        """What the last publication claimed, or the token of a claim whose reply was lost. Once."""
        claimed, self._claimed = self._claimed, None
        token, self._uncertain = self._uncertain, None
        return None if claimed is None else claimed.lease, token

    @property
    def _goes_on(self) -> bool:
        return self._more and time.monotonic() - self._began <= self.seconds

    def _publish_and_claim(self, lease: Lease, success: Request) -> None:
        self._uncertain = token = uuid4()
        request = claim_request(self.claimant, token)

        def action(connection: DirectConnection) -> None:
            published, claimed = connection.execute_together([success, request])
            self._uncertain = None
            self._note(claim_result(claimed.one(), self.claimant, token))
            leases.outcome_of(connection, lease, published.one_or_none())

        once(self.engine, action)

    def _note(self, result: ClaimResult) -> None:
        self._claimed = result
        self._more = result.more or result.contended

    def _claim(self, token: UUID, *, repeated: bool = False) -> Lease | None:
        """Claim a job. Others may take all candidates of a claim meanwhile: it is tried again.

        The token is the same in each try: if the reply to a claim was lost, it finds the job.
        """
        result = self._try_claim(token, repeated=repeated)
        for _ in range(MAX_CLAIMS):
            if not result.contended:
                break
            result = self._try_claim(token, thorough=True)
        self._more = result.more
        return result.lease

    def _try_claim(
        self, token: UUID, *, repeated: bool = False, thorough: bool = False
    ) -> ClaimResult:
        def action(connection: DirectConnection) -> ClaimResult:
            nonlocal repeated
            claimed = find_claimed(connection, self.claimant, token) if repeated else None
            repeated = True
            if claimed is not None:
                return ClaimResult(claimed, more=True)
            return claim(connection, self.claimant, token, thorough=thorough)

        return with_retry(self.engine, action)


def _publish(connection: DirectConnection, lease: Lease, success: Request) -> None:
    """Publish the result. A retry after a lost reply finds it published already."""
    try:
        leases.end(connection, lease, success)
    except LeaseLost:
        if not leases.published(connection, lease):
            raise


def _give_back(connection: DirectConnection, lease: Lease, max_preemptions: int) -> None:
    with suppress(LeaseLost):  # lost already, or given back by a try whose reply was lost
        leases.preempt(connection, lease, max_preemptions=max_preemptions)
