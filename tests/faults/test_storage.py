"""A bucket that answers 503 or corrupts uploads, and a full disk."""

from __future__ import annotations

import hashlib
import os
import subprocess

import pytest

from jobs.overview.alerts import alerts
from jobs.overview.read import read_overview
from jobs.states import Outcome, State
from tests.faults.bucket import Outage, bucket_at
from tests.faults.cluster import LEASE_SECONDS
from tests.waiting import until


@pytest.fixture
def fake_bucket(tmp_path):
    with bucket_at(tmp_path) as fake_bucket:
        yield fake_bucket


@pytest.fixture
def bucket(fake_bucket):
    return fake_bucket.server


@pytest.fixture
def start_worker(cluster, fake_bucket):
    """Start workers that upload their results to the bucket."""
    return lambda: cluster.start_worker(**fake_bucket.variables)


def videos(bucket, job_id):
    found = bucket.bucket.objects.items()
    return [stored for name, stored in found if name.startswith(f"media/results/{job_id}/")]


def test_f17_an_upload_survives_an_outage_longer_than_the_lease(cluster, start_worker, bucket):
    """F17: the bucket answers 503 while the lease is renewed."""
    start_worker()
    bucket.faults["multipart"] = Outage(LEASE_SECONDS + 2)
    job_id = cluster.submit()

    job = cluster.ended(job_id)

    assert job.state == State.SUCCEEDED
    assert cluster.outcomes(job_id) == [Outcome.SUCCEEDED]
    assert bucket.calls.count("multipart") > 2
    assert len(videos(bucket, job_id)) == 1


@pytest.mark.parametrize("fault", ["truncate", "flip"])
def test_f18_a_corrupted_upload_is_detected_and_retried(cluster, start_worker, bucket, fault):
    """F18: the bucket stores other bytes than it was sent."""
    start_worker()
    bucket.fail("multipart", fault)
    job_id = cluster.submit()

    job = cluster.ended(job_id)
    (stored,) = videos(bucket, job_id)

    assert job.state == State.SUCCEEDED
    assert cluster.outcomes(job_id) == [Outcome.RETRIED, Outcome.SUCCEEDED]
    assert hashlib.sha256(stored.read(0, stored.size - 1)).hexdigest() == job.result["sha256"]
    assert stored.name == f"media/{job.result['key']}"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(file):
    while True:
        file.write(bytes(4096))


@pytest.fixture
def ballast(small_disk):
    """A file that fills the disk."""
    path = small_disk / "ballast"
    with path.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        fill(file)
    return path


def test_f19_a_full_disk_fails_the_job_and_leaves_no_files(cluster, small_disk, ballast):
    """F19: the scratch folder is full in three attempts."""
    cluster.start_worker(KINOMILL_SCRATCH=str(small_disk), KINOMILL_MAX_RETRIES="0")
    job_id = cluster.submit()

    job = cluster.ended(job_id)
    ballast.unlink()
    after = cluster.submit()

    assert (job.state, job.error["code"]) == (State.FAILED, "disk_full")
    with cluster.sessions() as session:
        overview = read_overview(session)
    assert [(one.code, one.jobs) for one in overview.failures] == [("disk_full", 1)]
    assert any("a disk was full" in alert for alert in alerts(overview))
    assert job.error["retryable"]
    assert cluster.ended(after).state == State.SUCCEEDED
    assert [path.name for path in small_disk.iterdir()] == []


def test_f19_a_job_is_retried_when_the_disk_has_room_again(cluster, small_disk, ballast):
    """F19: retried some seconds later."""
    cluster.start_worker(KINOMILL_SCRATCH=str(small_disk))
    job_id = cluster.submit()

    until(lambda: cluster.job(job_id).retries == 1, what="the first attempt to fail")
    ballast.unlink()

    assert cluster.ended(job_id).state == State.SUCCEEDED
    assert cluster.outcomes(job_id) == [Outcome.RETRIED, Outcome.SUCCEEDED]
