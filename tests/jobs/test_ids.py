"""Ids: their form, which is checked before they are used."""

from __future__ import annotations

import pytest

from jobs.ids import input_key, is_id, new_job_id
from tests.jobs.build import new_file_id


def test_ids_sort_by_creation_time():
    ids = [new_job_id() for _ in range(1000)]

    assert ids == sorted(set(ids))


def test_an_id_has_the_form_of_its_kind_only():
    assert is_id(new_job_id(), "job")
    assert is_id(new_file_id(), "file")
    assert not is_id(new_job_id(), "file")


@pytest.mark.parametrize(
    "text",
    ["", "job_", "job_" + "g" * 32, "JOB_" + "0" * 32, "job_" + "0" * 33, "job_" + "0" * 32 + "\n"],
)
def test_anything_else_is_no_id(text):
    assert not is_id(text, "job")


def test_the_key_of_an_upload_contains_its_id():
    assert input_key("file_abc") == "inputs/file_abc"
