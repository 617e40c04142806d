"""The asyncio client: the same as the blocking one, line by line, and it works."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from pathlib import Path

import pytest

import kinomill
from kinomill import AsyncClient, Client, InvalidInput, JobFailed, NotFound, Unreachable
from tests.api.build import MODEL, URLS
from tests.api.serving import closed_port
from tests.jobs.build import cancel, submitted
from tests.kinomill.gateway import drop_response, gateway
from tests.waiting import until

ROOT = Path(kinomill.__file__).parent
TO_BLOCKING = [
    (r"AsyncIterator", "Iterator"),
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"AsyncClient", "Client"),
    (r"AsyncAdmin", "Admin"),
    (r"async_admin", "sync_admin"),
    (r"AsyncParts", "Parts"),
    (r"async_parts", "sync_parts"),
    (r"AsyncBatches", "Batches"),
    (r"async_batches", "sync_batches"),
    (r"AsyncDeliveries", "Deliveries"),
    (r"async_deliveries", "sync_deliveries"),
    (r"AsyncFiles", "Files"),
    (r"async_files", "sync_files"),
    (r"AsyncShares", "Shares"),
    (r"async_shares", "sync_shares"),
    (r"AsyncTransport", "Transport"),
    (r"async_transport", "sync_transport"),
    (r"__a(enter|exit)__", r"__\1__"),
    (r"\baclose\b", "close"),
    (r"\ba(read|iter_bytes|iter_text)\b", r"\1"),
    (r"\basyncio\b", "time"),
]


def body_of_class(text):
    """The only class of a module, without its docstring, in a layout that depends on nothing."""
    [found] = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    return ast.unparse(found.body[1:]).splitlines()


@pytest.mark.parametrize(
    ("blocking", "twin"),
    [
        ("client.py", "async_client.py"),
        ("admin/sync_admin.py", "admin/async_admin.py"),
        ("parts/sync_parts.py", "parts/async_parts.py"),
        ("batches/sync_batches.py", "batches/async_batches.py"),
        ("deliveries/sync_deliveries.py", "deliveries/async_deliveries.py"),
        ("files/sync_files.py", "files/async_files.py"),
        ("shares/sync_shares.py", "shares/async_shares.py"),
        ("transport/sync_transport.py", "transport/async_transport.py"),
    ],
)
def test_both_clients_are_the_same_line_by_line(blocking, twin):
    text = (ROOT / twin).read_text()
    for pattern, replacement in TO_BLOCKING:
        text = re.sub(pattern, replacement, text)

    assert body_of_class(text) == body_of_class((ROOT / blocking).read_text())


def test_both_clients_have_the_same_public_methods_and_parameters():
    def parameters(kind):
        methods = inspect.getmembers(kind, inspect.isfunction)
        return {
            name: [str(parameter) for parameter in inspect.signature(method).parameters.values()]
            for name, method in methods
            if not name.startswith("_") or name == "__init__"
        }

    assert parameters(AsyncClient) == parameters(Client)
    assert {"run", "submit", "wait", "watch", "download"} <= parameters(Client).keys()


def test_a_job_is_submitted_with_files_and_canceled(server, sessions, files):
    reports = []

    async def use():
        async with AsyncClient(server) as client:
            job = await client.submit(
                MODEL,
                image=str(files["image"]),
                audio=files["audio"],
                loop="hold",
                on_upload=lambda sent, total: reports.append((sent, total)),
            )
            canceled = await client.cancel(job)
            await client.delete(job)
            return job, canceled

    job, canceled = asyncio.run(use())

    assert job.input["image"].startswith("file_")
    assert canceled.status == "canceled"
    assert reports[-1][0] == reports[-1][1]


def test_a_lost_answer_makes_no_second_job(server, sessions, files):
    async def use(url):
        async with AsyncClient(url) as client:
            return await client.submit(MODEL, files)

    with gateway(server, faults=[drop_response]) as (url, seen):
        job = asyncio.run(use(url))

    assert job.status == "queued"
    assert len({key for _, _, key in seen}) == 1


def test_run_waits_for_the_end(server, sessions):
    async def use():
        async with AsyncClient(server, timeout=0.5) as client:
            running = asyncio.create_task(client.run(MODEL, URLS, on_update=seen.append))
            await asyncio.to_thread(until, lambda: seen, what="the first update")
            await asyncio.to_thread(cancel, sessions, seen[0].id)
            await running

    seen = []
    with pytest.raises(JobFailed) as failure:
        asyncio.run(use())

    assert failure.value.code == "canceled"
    assert [job.status for job in seen] == ["queued", "canceled"]


def test_events_pages_and_models(server, sessions):
    ids = [submitted(sessions) for _ in range(3)]
    cancel(sessions, ids[0])

    async def use():
        async with AsyncClient(server) as client:
            changes = [job.status async for job in client.watch(ids[0])]
            jobs = [job.id async for job in client.list_all(model=MODEL)]
            page = await client.list(limit=2)
            return changes, jobs, len(page), (await client.model(MODEL)).name

    changes, jobs, length, name = asyncio.run(use())

    assert changes == ["canceled"]
    assert jobs == ids[::-1]
    assert (length, name) == (2, MODEL)


def test_a_video_is_saved(server, finished, tmp_path):
    async def use():
        async with AsyncClient(server) as client:
            return await client.download(finished, f"{tmp_path}/new/")

    path = asyncio.run(use())

    assert path.name == f"{finished}.mp4"
    assert path.stat().st_size > 0
    assert list(path.parent.iterdir()) == [path]


def test_errors_are_the_same(server):
    async def use(url):
        async with AsyncClient(url, max_retries=0) as client:
            await client.submit(MODEL, URLS, fps=0)

    async def missing():
        async with AsyncClient(server) as client:
            await client.download("job_none", "x")

    with pytest.raises(InvalidInput):
        asyncio.run(use(server))
    with pytest.raises(NotFound):
        asyncio.run(missing())
    with pytest.raises(Unreachable):
        asyncio.run(use(f"http://127.0.0.1:{closed_port()}"))
