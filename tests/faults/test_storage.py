"""A bucket that answers 503 or keeps half of what it is sent, and a disk that is full."""

from __future__ import annotations

import os
import subprocess

import pytest

from jobs.states import Outcome, State
from tests.faults.bucket import Outage, bucket_at
from tests.faults.cluster import LEASE_SECONDS
from tests.waiting import until
from tests.workers import script


@pytest.fixture
def rented(tmp_path):
    with bucket_at(tmp_path) as rented:
        yield rented


@pytest.fixture
def bucket(rented):
    return rented.server


@pytest.fixture
def hire(crew, rented):
    """Hire workers that keep their results in the bucket."""
    return lambda: crew.hire(**rented.variables)


def videos(bucket, job_id):
    found = bucket.bucket.objects.items()
    return [stored for name, stored in found if name.startswith(f"media/results/{job_id}/")]


def test_f17_an_upload_outlasts_an_outage_that_is_longer_than_the_lease(crew, hire, bucket):
    """F17: the bucket answers 503 while the lease is kept."""
    hire()
    bucket.faults["multipart"] = Outage(LEASE_SECONDS + 2)
    job_id = crew.submit()

    job = crew.ended(job_id)

    assert job.state == State.SUCCEEDED
    assert crew.outcomes(job_id) == [Outcome.SUCCEEDED]
    assert bucket.calls.count("multipart") > 2
    assert len(videos(bucket, job_id)) == 1


@pytest.mark.parametrize("fault", ["truncate", "flip"])
def test_f18_an_upload_that_arrived_damaged_is_found_out_and_tried_again(crew, hire, bucket, fault):
    """F18: the bucket keeps other bytes than it was sent."""
    hire()
    bucket.fail("multipart", fault)
    job_id = crew.submit()

    job = crew.ended(job_id)
    (stored,) = videos(bucket, job_id)

    assert job.state == State.SUCCEEDED
    assert crew.outcomes(job_id) == [Outcome.RETRIED, Outcome.SUCCEEDED]
    assert stored.read(0, stored.size - 1) == script.VIDEO
    assert stored.name == f"media/{job.result['key']}"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own with room for a megabyte."""
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
    """The disk is full for as long as this file is there."""
    path = small_disk / "ballast"
    with path.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        fill(file)
    return path


def test_f19_a_full_disk_fails_the_attempt_and_leaves_nothing_behind(crew, small_disk, ballast):
    """F19: scratch has no room, three times over."""
    crew.hire(KINOMILL_SCRATCH=str(small_disk), KINOMILL_MAX_RETRIES="0")
    job_id = crew.submit()

    job = crew.ended(job_id)
    ballast.unlink()
    after = crew.submit()

    assert (job.state, job.error["code"]) == (State.FAILED, "disk_full")
    assert job.error["retryable"]
    assert crew.ended(after).state == State.SUCCEEDED
    assert [path.name for path in small_disk.iterdir()] == []


def test_f19_a_job_goes_on_when_the_disk_has_room_again(crew, small_disk, ballast):
    """F19: tried again some seconds later."""
    crew.hire(KINOMILL_SCRATCH=str(small_disk))
    job_id = crew.submit()

    until(lambda: crew.job(job_id).retries == 1, what="the first attempt to fail")
    ballast.unlink()

    assert crew.ended(job_id).state == State.SUCCEEDED
    assert crew.outcomes(job_id) == [Outcome.RETRIED, Outcome.SUCCEEDED]
