"""The audit log, quotas of accounts, and the report of what they used."""

import csv
import datetime as dt
import io
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from accounts import audit
from api.context.auth import Principal
from api.context.deps import ContextDep, OperatorDep, ReadingDep
from api.errors.problems import AUTHENTICATED, JSON_BODY, WITH_DATABASE, problem_responses
from api.errors.validation import invalid_field
from api.jobs.filters import ACCOUNT_PATTERN, AccountFilter, Text, listed_account
from api.operator.responses import (
    MAX_COUNT,
    AccountLimits,
    AccountLimitsList,
    AuditLine,
    AuditPage,
    QuotaLimits,
)
from api.routers import contract_router
from jobs.errors import FieldError
from jobs.usage import quotas, report
from jobs.usage.report import UsageLine, UsageQuery

router = contract_router(prefix="/v1", tags=["operator"])

MAX_LINES = 10_000
MAX_ACCOUNTS = 10_000
"""Accounts with quotas that a list shows."""
DEFAULT_DAYS = dt.timedelta(days=30)
Account = Annotated[
    str,
    Path(
        description="Name of the account.",
        max_length=100,
        pattern=f"^{ACCOUNT_PATTERN}$",
        examples=["team-a"],
    ),
]


class AuditQuery(BaseModel):
    """Filters of the audit log."""

    model_config = ConfigDict(extra="forbid")

    act: Text | None = Field(default=None, max_length=100, description="Only this act.")
    actor: Text | None = Field(default=None, max_length=200, description="Only acts of this one.")
    subject: Text | None = Field(default=None, max_length=200, description="Only acts on this.")
    before: int | None = Field(
        default=None, ge=1, le=MAX_COUNT, description="`next_cursor` of the previous page."
    )
    limit: int = Field(default=50, ge=1, le=200, description="Entries per page.")


class UsageFilter(BaseModel):
    """Which days, accounts and models a report is about."""

    model_config = ConfigDict(extra="forbid")

    since: dt.date | None = Field(
        default=None, description="First day (UTC); default: 30 days ago."
    )
    until: dt.date | None = Field(default=None, description="Last day (UTC). Default: today.")
    account: AccountFilter = None
    model: Text | None = Field(default=None, max_length=100, description="Only this model.")
    format: Literal["json", "csv"] = Field(default="json", description="Form of the answer.")
    limit: int = Field(default=1000, ge=1, le=MAX_LINES, description="Lines per page.")
    cursor: Text | None = Field(
        default=None, max_length=300, description="`next_cursor` of the previous page."
    )


class UsageDayResponse(BaseModel):
    """What an account used of a model on a day (UTC)."""

    day: dt.date
    account: str
    model: str
    submitted: int = Field(description="Jobs that the account submitted.")
    requeued: int = Field(description="Jobs that an operator created from failed ones.")
    succeeded: int
    failed: int
    canceled: int
    gpu_seconds: float = Field(description="Time of workers, also of attempts without a result.")
    result_bytes: int = Field(description="Size of the results.")


class UsageReport(BaseModel):
    """Usage by day, account and model."""

    items: list[UsageDayResponse]
    next_cursor: str | None = Field(description="Send it as `cursor` to get the next page.")


@router.get("/audit", responses=problem_responses(AUTHENTICATED, WITH_DATABASE))
async def list_audit(
    _: OperatorDep, context: ContextDep, query: Annotated[AuditQuery, Query()]
) -> AuditPage:
    """List what operators did and changes of keys, newest first."""
    return await context.database_calls.run(_audit_page, query)


def _audit_page(session: Session, query: AuditQuery) -> AuditPage:
    rows = audit.entries(session, **query.model_dump(exclude={"limit"}), limit=query.limit + 1)
    items = [AuditLine.of(row) for row in rows[: query.limit]]
    return AuditPage(items=items, next_cursor=items[-1].id if len(rows) > len(items) else None)


@router.get("/limits", responses=problem_responses(AUTHENTICATED, WITH_DATABASE))
async def list_limits(_: OperatorDep, context: ContextDep) -> AccountLimitsList:
    """List the accounts that have quotas."""
    return await context.database_calls.run(_limits_list)


def _limits_list(session: Session) -> AccountLimitsList:
    rows = quotas.list_all(session, limit=MAX_ACCOUNTS)
    return AccountLimitsList(items=[AccountLimits.of(row.account, row) for row in rows])


@router.get("/accounts/{account}/limits", responses=problem_responses(AUTHENTICATED, WITH_DATABASE))
async def get_limits(account: Account, _: OperatorDep, context: ContextDep) -> AccountLimits:
    """Get the quotas of an account; without any, all are null."""
    return await context.database_calls.run(_limits, account)


def _limits(session: Session, account: str) -> AccountLimits:
    return AccountLimits.of(account, quotas.find(session, account))


@router.put(
    "/accounts/{account}/limits",
    responses=problem_responses(AUTHENTICATED, JSON_BODY, WITH_DATABASE),
)
async def set_limits(
    account: Account, caller: OperatorDep, context: ContextDep, body: QuotaLimits
) -> AccountLimits:
    """Set all quotas of an account; what is left out has no limit. They hold at once."""
    return await context.database_calls.run(_set_limits, caller, account, body)


def _set_limits(
    session: Session, caller: Principal, account: str, body: QuotaLimits
) -> AccountLimits:
    limits = body.model_dump()
    row = quotas.put(session, account, limits)
    audit.record(session, caller.actor, "limits.set", account, **limits)
    return AccountLimits.of(account, row)


@router.delete(
    "/accounts/{account}/limits",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problem_responses(AUTHENTICATED, WITH_DATABASE),
)
async def delete_limits(account: Account, caller: OperatorDep, context: ContextDep) -> None:
    """Remove all quotas of an account."""
    await context.database_calls.run(_delete_limits, caller, account)


def _delete_limits(session: Session, caller: Principal, account: str) -> None:
    if quotas.remove(session, account):
        audit.record(session, caller.actor, "limits.delete", account)


@router.get(
    "/usage",
    response_model=UsageReport,
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
        **problem_responses(AUTHENTICATED, WITH_DATABASE),
    },
)
async def get_usage(
    caller: ReadingDep, context: ContextDep, query: Annotated[UsageFilter, Query()]
) -> Any:
    """Report what accounts used, by day, account and model. Deleted jobs count, too.

    With `format=csv`, the cursor of the next page is in the header `Next-Cursor`.
    """
    account = listed_account(caller, query.account)
    lines, cursor = await context.database_calls.run(_usage, account, query)
    if query.format == "csv":
        headers = {} if cursor is None else {"Next-Cursor": cursor}
        return Response(_csv(lines), media_type="text/csv; charset=utf-8", headers=headers)
    items = [UsageDayResponse(**line._asdict()) for line in lines]
    return UsageReport(items=items, next_cursor=cursor)


def _usage(
    session: Session, account: str | None, query: UsageFilter
) -> tuple[list[UsageLine], str | None]:
    last = query.until or dt.datetime.now(dt.UTC).date()
    first = query.since or max(last, dt.date.min + DEFAULT_DAYS) - DEFAULT_DAYS
    wanted = UsageQuery(first, last, account, query.model)
    after = None if query.cursor is None else _decoded(query.cursor)
    lines = report.read(session, wanted, after=after, limit=query.limit + 1)
    shown = lines[: query.limit]
    more = len(lines) > len(shown)
    return shown, " ".join(map(str, shown[-1][:3])) if more else None


def _decoded(cursor: str) -> tuple[dt.date, str, str]:
    try:
        day, account, model = cursor.split(" ")
        return dt.date.fromisoformat(day), account, model
    except ValueError as error:
        message = "is not from a page of this report: start again without one"
        raise invalid_field(FieldError("/query/cursor", message)) from error


def _csv(lines: list[UsageLine]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(UsageLine._fields)
    writer.writerows(lines)
    return out.getvalue()
