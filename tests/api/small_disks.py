"""What `test_small_disks.py` runs in a process of its own, whose disk is small."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from cli.doctor.machine import check_scratch
from tests.api.build import MODEL, data_uri, job_body, png, wav
from tests.api.conftest import TestClient, create_app
from tests.api.serving import settings_of
from tests.faults.bucket import bucket_at
from tests.small_disk import fill

VOICE = wav(seconds=5)
FILES = {"image": png(), "audio": VOICE}


@contextmanager
def app(servers, **settings):
    """A client of an app on the servers of the test."""
    made = create_app(settings_of(public_url="http://testserver", **servers, **settings))
    with TestClient(made, raise_server_exceptions=False) as client:
        yield client


@contextmanager
def app_with_bucket(servers, scratch):
    """The same with a bucket, and with its temporary files in a folder."""
    with TemporaryDirectory() as folder, bucket_at(Path(folder)) as bucket:
        os.environ.update(bucket.variables)
        storage = bucket.variables["KINOMILL_STORAGE"]
        with app(servers, storage=storage, scratch=scratch) as client:
            yield client, bucket


def tell(response):
    """Status, code and detail."""
    answer = response.json() if response.content else {}
    return {
        "status": response.status_code,
        "code": answer.get("code"),
        "retryable": answer.get("retryable"),
        "detail": answer.get("detail"),
        "retry_after": response.headers.get("retry-after"),
    }


def requests_with_files(client):
    """Every way to send bytes to the API, by name."""
    big = VOICE * 20
    begun = client.post("/v1/files", json={"filename": "a.wav", "size": len(VOICE)}).json()
    piece = {"Content-Range": f"bytes 0-{len(VOICE) - 1}/{len(VOICE)}"}
    url = begun["upload"]["urls"][0]
    return {
        "a form": lambda: client.post("/v1/jobs", data={"model": MODEL}, files=FILES),
        "a data URI": lambda: client.post("/v1/jobs", json=job_body(audio=data_uri(VOICE))),
        "a large data URI": lambda: client.post("/v1/jobs", json=job_body(audio=data_uri(big))),
        "a dry run": lambda: client.post(
            "/v1/jobs?dry_run=true", data={"model": MODEL}, files=FILES
        ),
        "a video": lambda: client.post(
            "/v1/videos", data={"model": MODEL, "prompt": "a"}, files={"input_reference": png()}
        ),
        "a prediction": lambda: client.post(
            "/v1/predictions",
            json={"version": MODEL, "input": job_body()["input"] | {"audio": data_uri(VOICE)}},
        ),
        "a file": lambda: client.post("/v1/files", files={"file": VOICE}),
        "a piece": lambda: client.put(url, content=VOICE, headers=piece),
    }


def names(folder):
    """Files below a folder, without locks, and without uploads in pieces, which may go on."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and not {"ballast", "locks", "uploads"} & set(path.parts)
    )


def full_store(disk, servers):
    """Each way to send bytes, at a store without space, and what is left of it."""
    with app(servers, storage=str(disk / "store")) as client:
        requests = requests_with_files(client)
        fill(disk)
        told = {name: tell(send()) for name, send in requests.items()}
        jobs = client.get("/v1/jobs").json()["items"]
    return {"told": told, "left": names(disk), "jobs": jobs}


def nearly_full_store(disk, servers):
    """One submission at a store with ever more space, until it is accepted."""
    told = []
    with app(servers, storage=str(disk / "store")) as client:
        for leave in range(0, 60 * 4096, 4096):
            with suppress(FileNotFoundError):
                (disk / "ballast").unlink()
            fill(disk, leave=leave)
            told.append(
                tell(client.post("/v1/jobs", data={"model": MODEL}, files=FILES))
                | {"left": names(disk)}
            )
            if told[-1]["status"] == 202:
                break
    return told


def read_only_store(disk, servers, mount):
    """A store that became read-only: what is refused, and what is read all the same."""
    with app(servers, storage=str(disk / "store")) as client:
        file = client.post("/v1/files", files={"file": VOICE}).json()
        requests = requests_with_files(client)
        mount("-o", "remount,ro")
        told = {name: tell(send()) for name, send in requests.items()}
        link = client.get(f"/v1/files/{file['id']}/content", follow_redirects=False)
        read = client.get(link.headers["location"])
        deleted = tell(client.delete(f"/v1/files/{file['id']}"))
    return {"told": told, "same": read.content == VOICE, "deleted": deleted}


def full_scratch(disk, servers):
    """The same with a bucket, and a full disk for temporary files."""
    with app_with_bucket(servers, disk) as (client, bucket):
        requests = requests_with_files(client)
        fill(disk)
        told = {name: tell(send()) for name, send in requests.items() if name != "a piece"}
        ready = client.get("/readyz").json()
        left = [each.key for each in bucket.store.list_objects("")]
    return {"told": told, "ready": ready, "left": [*left, *names(disk)]}


def unwritable_scratch(disk, servers, mount):
    """A folder for temporary files that became read-only; then it is writable again."""
    with app_with_bucket(servers, disk) as (client, _):
        requests = requests_with_files(client)
        before = client.get("/readyz").json()
        mount("-o", "remount,ro")
        told = {name: tell(send()) for name, send in requests.items() if name != "a piece"}
        by_url = client.post("/v1/jobs", json=job_body())
        ready = client.get("/readyz")
        checks = [vars(result) for result in check_scratch(disk)]
        mount("-o", "remount,rw")
        again = tell(client.post("/v1/files", files={"file": VOICE}))
    return {
        "before": before, "told": told, "by_url": by_url.status_code, "again": again,
        "ready": ready.json() | {"http": ready.status_code}, "checks": checks,
    }  # fmt: skip


def out(value):
    """Print what a function above returned."""
    sys.stdout.write(json.dumps(value, default=str))


__all__ = [name for name in dir() if not name.startswith("_")]
