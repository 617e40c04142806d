"""A job API as people write it in an afternoon: FastAPI, SQLAlchemy and Celery.

uvicorn naive:api
celery -A naive:tasks worker -c 1
"""

from typing import Any
from uuid import uuid4

from celery import Celery, signals
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from settings import DATABASE_URL, REDIS_URL
from sqlalchemy import JSON, DateTime, create_engine, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

engine = create_engine(DATABASE_URL)
Session = sessionmaker(engine)
tasks = Celery("naive", broker=REDIS_URL, backend=REDIS_URL)
tasks.conf.task_acks_late = True
tasks.conf.worker_prefetch_multiplier = 1
api = FastAPI()


class Base(DeclarativeBase):
    pass


class Job(Base):
    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str]
    input: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(index=True, default="queued")
    result: Mapped[str | None]
    created_at: Mapped[Any] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), index=True
    )


Base.metadata.create_all(engine)


@signals.worker_process_init.connect
def forget_connections(**_: Any) -> None:
    """Open new connections after the fork, as SQLAlchemy requires."""
    engine.dispose(close=False)


class Submission(BaseModel):
    model: str
    input: dict[str, Any]


class JobResponse(BaseModel):
    id: str
    model: str
    status: str
    result: str | None


@tasks.task
def generate(job_id: str) -> None:
    with Session() as session:
        job = session.get(Job, job_id)
        job.status = "running"
        session.commit()
        job.status = "succeeded"
        job.result = "gs://videos/video.mp4"
        session.commit()


@api.post("/v1/jobs", status_code=202)
def submit(submission: Submission) -> JobResponse:
    with Session() as session:
        job = Job(id=str(uuid4()), model=submission.model, input=submission.input)
        session.add(job)
        session.commit()
        generate.delay(job.id)
        return JobResponse.model_validate(job, from_attributes=True)


@api.get("/v1/jobs/{job_id}")
def find(job_id: str) -> JobResponse:
    with Session() as session:
        job = session.get(Job, job_id)
        if job is None:
            raise HTTPException(404)
        return JobResponse.model_validate(job, from_attributes=True)
