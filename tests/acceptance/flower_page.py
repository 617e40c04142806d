"""Flower as a process, and what its page says."""

from __future__ import annotations

import os
import subprocess
import sys

import httpx

from cli.stack import free_port
from tests.waiting import until

CREDENTIALS = ("kinomill", "correct horse")


def started(stack, options, variables):
    """Yield a client of Flower's page; Flower ends after it."""
    port = free_port()
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "flower", "--port", str(port), *options],
        env=env | {"REDIS_URL": stack.redis_url} | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with httpx.Client(
        base_url=f"http://127.0.0.1:{port}", auth=CREDENTIALS, trust_env=False
    ) as page:
        until(lambda: responds(page), seconds=60, what="Flower")
        yield page
    process.terminate()
    process.wait(timeout=20)


def responds(page):
    try:
        return page.get("/healthcheck").is_success
    except httpx.TransportError:
        return False


def all_tasks(flower):
    return flower.get("/api/tasks").json()


def find_task(flower, job_id, state="STARTED"):
    task = all_tasks(flower).get(job_id)
    return task if task and task["state"] == state else None


def counted(flower, kind):
    rows = flower.get("/workers?json=1").json()["data"]
    return sum(row.get(kind) or 0 for row in rows)


def online(flower):
    page = flower.get("/workers?json=1").json()["data"]
    return {row["hostname"] for row in page if row["status"]}
