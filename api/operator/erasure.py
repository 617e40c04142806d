"""Erase an account: its keys, jobs, files, batches and quotas, and their objects."""

import time
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from accounts import api_keys, audit
from api.context.app_context import AppContext
from api.context.auth import Principal
from api.context.deps import ContextDep, OperatorDep
from api.errors.validation import invalid_field
from api.files.direct import drop
from api.jobs.filters import ACCOUNT_PATTERN
from api.operator.routes import responses
from api.routers import contract_router
from jobs import expiry
from jobs.erasure import account as erasure
from jobs.errors import ErrorCode, FieldError

router = contract_router(prefix="/v1", tags=["operator"])

SECONDS = 5.0
"""Of one request: what is left then is erased by the next one."""
Account = Annotated[
    str, Path(description="Name of the account.", max_length=100, pattern=f"^{ACCOUNT_PATTERN}$")
]


class Erasure(BaseModel):
    """What one request has erased."""

    account: str
    keys: int = Field(description="API keys: they stop working within two seconds.")
    jobs: int = Field(description="Jobs, with their history, logs, previews, posters and shares.")
    files: int = Field(description="Uploaded files.")
    objects: int = Field(description="Files in object storage: inputs, results, posters.")
    batches: int
    complete: bool = Field(
        description="Whether nothing is left. Else send the request again: there is more, or jobs "
        "that run were asked to stop and have not ended yet."
    )


@router.delete(
    "/accounts/{account}",
    responses=responses(
        {422: [ErrorCode.INVALID_INPUT], 503: [ErrorCode.STORAGE_UNAVAILABLE]},
    ),
)
async def erase_account(account: Account, caller: OperatorDep, context: ContextDep) -> Erasure:
    """Erase an account; usage and the audit log stay. It works for five seconds at most."""
    if caller.key_id is not None and caller.account == account:
        message = "is the account of the key that you use, which would be erased with it"
        raise invalid_field(FieldError("/path/account", message))
    until = time.monotonic() + SECONDS
    done = Erasure(
        account=account,
        keys=await context.database_calls.run(_erase_keys, caller, account),
        jobs=0,
        files=0,
        objects=0,
        batches=await context.database_calls.run(erasure.erase_batches_and_quotas, account),
        complete=False,
    )
    if await _erase_jobs(done, context, until):
        done.complete = await _erase_files(done, context, until)
    await context.database_calls.run(_record, caller, done)
    return done


async def _erase_jobs(done: Erasure, context: AppContext, until: float) -> bool:
    """Returns whether no job is left."""
    run, after = context.database_calls.run, ""
    while time.monotonic() < until:
        found = await run(_jobs_after, done.account, after)
        if not found.ids:
            break
        for job_id in found.unfinished:
            await run(erasure.cancel, done.account, job_id)
        batch = await run(erasure.erase_jobs, done.account, found.ids)
        keys = await context.storage_calls.run(_delete_objects, context, batch)
        done.jobs, done.objects = done.jobs + len(batch.ids), done.objects + keys
        after = found.ids[-1]
    return not await run(erasure.count_jobs, done.account)


async def _erase_files(done: Erasure, context: AppContext, until: float) -> bool:
    """Returns whether no uploaded file is left."""
    while time.monotonic() < until:
        batch = await context.database_calls.run(erasure.erase_files, done.account)
        if not batch.keys:
            return True
        for key in batch.keys:
            await context.storage_calls.run(context.storage.delete, key)
        for file_id, state in batch.unfinished.items():
            await drop(context, file_id, state)
        done.files, done.objects = done.files + len(batch.keys), done.objects + len(batch.keys)
    return False


def _jobs_after(session: Session, account: str, after: str) -> erasure.FoundJobs:
    return erasure.find_jobs(session, account, after=after)


def _delete_objects(context: AppContext, batch: erasure.ErasedJobs) -> int:
    """Delete the objects of erased jobs; returns how many."""
    keys = set(batch.keys)
    for job_id in batch.ids:
        prefix = expiry.result_prefix(job_id)
        keys.update(stored.key for stored in context.storage.list_objects(prefix))
    for key in keys:
        context.storage.delete(key)
    return len(keys)


def _erase_keys(session: Session, caller: Principal, account: str) -> int:
    audit.record(session, caller.actor, "account.erase", account)
    return api_keys.delete_all(session, account)


def _record(session: Session, caller: Principal, done: Erasure) -> None:
    details = done.model_dump(exclude={"account"})
    audit.record(session, caller.actor, "account.erased", done.account, **details)
