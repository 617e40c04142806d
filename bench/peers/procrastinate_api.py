"""A job API whose queue is PostgreSQL: FastAPI and procrastinate. The queue's row is the job.

uvicorn procrastinate_api:api
procrastinate --app procrastinate_api.queue worker
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException
from procrastinate import App, PsycopgConnector
from pydantic import BaseModel
from settings import DATABASE_URL

FIND = "SELECT id, status, args FROM procrastinate_jobs WHERE id = %(job_id)s"

queue = App(connector=PsycopgConnector(conninfo=DATABASE_URL.replace("+psycopg", "")))


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with queue.open_async():
        yield


api = FastAPI(lifespan=lifespan)


class Submission(BaseModel):
    model: str
    input: dict[str, Any]


@queue.task(name="generate")
async def generate(model: str, input: dict[str, Any]) -> None:
    """Generate nothing."""


@api.post("/v1/jobs", status_code=202)
async def submit(submission: Submission) -> dict[str, Any]:
    job_id = await generate.defer_async(**submission.model_dump())
    return {"id": job_id, "status": "todo"}


@api.get("/v1/jobs/{job_id}")
async def find(job_id: int) -> dict[str, Any]:
    row = await queue.connector.execute_query_one_async(FIND, job_id=job_id)
    if row is None:
        raise HTTPException(404)
    return {"id": row["id"], "status": row["status"], "model": row["args"]["model"]}
