"""A naive API in one file, for comparison: FastAPI, SQLAlchemy and Celery."""

from __future__ import annotations

from argparse import ArgumentParser
from uuid import uuid4

import uvicorn
from celery import Celery
from fastapi import FastAPI
from sqlalchemy import create_engine, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

parser = ArgumentParser(description=__doc__)
parser.add_argument("--database", help="URL of PostgreSQL")
parser.add_argument("--redis", help="URL of the broker")
parser.add_argument("--port", type=int)
arguments = parser.parse_args()

engine = create_engine(arguments.database.replace("postgresql:", "postgresql+psycopg:"))
broker = Celery("naive", broker=arguments.redis)
app = FastAPI()


class Base(DeclarativeBase):
    pass


class Job(Base):
    __tablename__ = "naive_jobs"

    id: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str]


@app.get("/livez")
def livez() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/readyz")
def readyz() -> dict[str, str]:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    with broker.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1)
    return {"status": "ok"}


@app.post("/v1/jobs")
def submit(model: str) -> dict[str, str]:
    with Session(engine) as session, session.begin():
        job = Job(id=uuid4().hex, model=model)
        session.add(job)
    broker.send_task(model, args=(job.id,))
    return {"id": job.id}


if __name__ == "__main__":
    uvicorn.run(app, port=arguments.port, log_level="warning")
