"""List deliveries of webhooks, and send them again."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from api.context.deps import ContextDep, ReaderDep, ReadingDep, SubmitterDep
from api.deliveries.responses import DeliveryList, DeliveryPage, DeliveryResponse, Redelivered
from api.errors.problems import AUTHENTICATED, JSON_BODY, WITH_DATABASE, problem_responses
from api.errors.validation import invalid_cursor
from api.jobs.filters import Text
from api.routers import contract_router
from jobs import service
from jobs.errors import ErrorCode
from jobs.ids import is_id
from jobs.tables import WebhookRow
from jobs.webhooks import deliveries
from jobs.webhooks.deliveries import MAX_REDELIVERED, DeliveryStatus

router = contract_router(tags=["webhooks"])

Url = Annotated[Text, Field(max_length=2048)]


class ListQuery(BaseModel):
    """Filters of a list of deliveries."""

    model_config = ConfigDict(extra="forbid")

    status: DeliveryStatus | None = Field(default=None, description="Only with this status.")
    url: Url | None = Field(default=None, description="Only to this address.")
    cursor: str | None = Field(default=None, max_length=100, description="`next_cursor` before.")
    limit: int = Field(default=50, ge=1, le=200, description="Deliveries per page.")


class Receiver(BaseModel):
    """An address that webhooks are sent to."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: Url = Field(examples=["https://example.com/kinomill"])


@router.get(
    "/v1/jobs/{job_id}/deliveries",
    responses=problem_responses(AUTHENTICATED, {404: [ErrorCode.JOB_NOT_FOUND]}, WITH_DATABASE),
)
async def job_deliveries(job_id: str, caller: ReadingDep, context: ContextDep) -> DeliveryList:
    """List the deliveries of a job's webhook, with the attempts of each."""
    found = await context.database_calls.run(_of_job, caller.reach, job_id)
    return DeliveryList(items=[DeliveryResponse.of(row) for row in found])


def _of_job(session: Session, account: str | None, job_id: str) -> list[WebhookRow]:
    job = service.find(session, account, job_id)
    return deliveries.page(session, job.account, deliveries.Filter(job_id=job_id), limit=10)


@router.get(
    "/v1/deliveries",
    responses=problem_responses(AUTHENTICATED, {422: [ErrorCode.INVALID_CURSOR]}, WITH_DATABASE),
)
async def list_deliveries(
    account: ReaderDep, context: ContextDep, query: Annotated[ListQuery, Query()]
) -> DeliveryPage:
    """List the deliveries of your webhooks, newest first."""
    if query.cursor is not None and not is_id(query.cursor, "msg"):
        raise invalid_cursor()
    found = await context.database_calls.run(_page, account, query)
    items = [DeliveryResponse.of(row) for row in found[: query.limit]]
    more = len(found) > query.limit
    return DeliveryPage(items=items, next_cursor=items[-1].id if more else None)


def _page(session: Session, account: str, query: ListQuery) -> list[WebhookRow]:
    filters = deliveries.Filter(status=query.status, url=query.url)
    return deliveries.page(session, account, filters, before=query.cursor, limit=query.limit + 1)


@router.post(
    "/v1/deliveries/{delivery_id}/redeliver",
    status_code=HTTPStatus.ACCEPTED,
    responses=problem_responses(
        AUTHENTICATED, {404: [ErrorCode.DELIVERY_NOT_FOUND]}, WITH_DATABASE
    ),
)
async def redeliver_webhook(
    delivery_id: str, account: SubmitterDep, context: ContextDep
) -> DeliveryResponse:
    """Send a webhook again, now and with all further attempts: the same id and body."""
    row = await context.database_calls.run(deliveries.redeliver, account, delivery_id)
    return DeliveryResponse.of(row)


@router.post(
    "/v1/deliveries/redeliver",
    status_code=HTTPStatus.ACCEPTED,
    responses=problem_responses(AUTHENTICATED, JSON_BODY, WITH_DATABASE),
)
async def redeliver_failed(
    receiver: Receiver, account: SubmitterDep, context: ContextDep
) -> Redelivered:
    """Send up to 1,000 failed webhooks to an address again, the oldest first."""
    run = context.database_calls.run
    count = await run(deliveries.redeliver_failed, account, receiver.url)
    return Redelivered(redelivered=count, more=count == MAX_REDELIVERED)
