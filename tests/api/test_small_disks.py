"""Real disks that are full or read-only: each cause has its code, and nothing half-made is left."""

from __future__ import annotations

import json

import pytest

from tests import small_disk


@pytest.fixture
def run(database_url, broker_url, sessions):
    """Run a function of `small_disks` on a disk of this size."""
    servers = {"database_url": database_url, "redis_url": broker_url}

    def on_disk(call, size="4m"):
        code = f"from tests.api.small_disks import *\nservers = {servers!r}\nout({call})"
        return json.loads(small_disk.run(code, size=size, same_user=True))

    return on_disk


def outcomes(told):
    return {(each["status"], each["code"]) for each in told.values()}


def test_a_full_store_refuses_each_file_and_keeps_nothing_of_it(run):
    ran = run("full_store(disk, servers)")

    assert outcomes(ran["told"]) == {(507, "storage_full")}, ran["told"]
    assert all(each["retry_after"] == "60" for each in ran["told"].values())
    assert ran["left"] == []
    assert ran["jobs"] == []


def test_wherever_the_space_of_the_store_ends_nothing_is_half_made(run):
    *refused, accepted = run("nearly_full_store(disk, servers)")

    assert len(refused) > 10
    assert {(each["status"], each["code"]) for each in refused} == {(507, "storage_full")}
    assert all(each["left"] == [] for each in refused)
    assert accepted["status"] == 202
    assert len(accepted["left"]) == 4  # two files, with a record of each


def test_a_read_only_store_is_no_silent_one_and_is_read(run):
    ran = run("read_only_store(disk, servers, mount)")

    assert outcomes(ran["told"]) == {(503, "storage_unavailable")}, ran["told"]
    assert all("kinomill doctor" in each["detail"] for each in ran["told"].values())
    assert not any(each["retryable"] for each in ran["told"].values())
    assert ran["same"]
    assert ran["deleted"]["code"] in {None, "storage_unavailable"}


def test_a_full_scratch_disk_is_that_of_the_api(run):
    ran = run("full_scratch(disk, servers)")

    assert outcomes(ran["told"]) == {(507, "server_disk_full")}, ran["told"]
    assert (ran["ready"]["status"], ran["ready"]["scratch"]) == ("degraded", "full")
    assert "KINOMILL_SCRATCH" in ran["ready"]["detail"]
    assert ran["left"] == []


def test_an_unwritable_scratch_folder_has_its_own_code(run):
    ran = run("unwritable_scratch(disk, servers, mount)")

    assert outcomes(ran["told"]) == {(503, "server_disk_unwritable")}, ran["told"]
    assert all("Read-only file system" in each["detail"] for each in ran["told"].values())
    assert ran["by_url"] == 202
    assert ran["before"]["scratch"] == "ok"
    ready = ran["ready"]
    assert (ready["http"], ready["status"], ready["scratch"]) == (200, "degraded", "unwritable")
    assert "KINOMILL_SCRATCH (Read-only file system)" in ready["detail"]
    [check] = ran["checks"]
    assert (check["status"], check["check"]) == ("fail", "scratch disk")
    assert "KINOMILL_SCRATCH" in check["remedy"]
    assert ran["again"]["status"] == 201
