"""Parts are taken up by the same run alone, whole or not at all, and never stop a run."""

from __future__ import annotations

import pytest
import torch

from models import spec
from models.resuming import KEPT
from models.resuming.parts import Parts


class Input(spec.Input):
    seed: int = 1


LATENTS = {"latents": torch.arange(12.0).reshape(3, 4)}


@pytest.fixture
def job_folder(tmp_path):
    return tmp_path / "job"


def attempt(tmp_path, job_folder, name="one", *, seed=1, content=b"a picture", made_by="weights"):
    """The parts of an attempt, in a folder as the worker makes it."""
    folder = tmp_path / name
    folder.mkdir()
    (folder / KEPT).symlink_to(job_folder)
    (folder / "input").write_bytes(content)
    return Parts.of(folder / "out.mp4", Input(seed=seed), {"image": folder / "input"}, made_by)


def test_the_next_attempt_takes_up_what_was_kept(tmp_path, job_folder):
    first = attempt(tmp_path, job_folder)
    assert first.take(0) is None
    first.keep(0, LATENTS)
    second = attempt(tmp_path, job_folder, "two")

    taken = second.take(0)

    assert torch.equal(taken["latents"], LATENTS["latents"])
    assert second.take(1) is None
    assert second.notes == {"parts_of_a_lost_attempt": 1}
    assert first.notes == {}


@pytest.mark.parametrize(
    "other", [{"seed": 2}, {"content": b"another picture"}, {"made_by": "other weights"}]
)
def test_parts_of_another_run_are_deleted(tmp_path, job_folder, other):
    attempt(tmp_path, job_folder).keep(0, LATENTS)

    parts = attempt(tmp_path, job_folder, "two", **other)

    assert parts.take(0) is None
    assert list(job_folder.rglob("*.safetensors")) == []


@pytest.mark.parametrize("damage", [b"", b"half", None])
def test_a_damaged_part_counts_as_missing_and_is_replaced(tmp_path, job_folder, damage):
    attempt(tmp_path, job_folder).keep(0, LATENTS)
    (path,) = job_folder.rglob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-4] if damage is None else damage)
    second = attempt(tmp_path, job_folder, "two")

    assert second.take(0) is None
    second.keep(0, LATENTS)
    assert attempt(tmp_path, job_folder, "three").take(0) is not None


def test_a_part_that_cannot_be_written_does_not_stop_the_run(tmp_path, job_folder):
    job_folder.write_text("no folder")
    parts = attempt(tmp_path, job_folder)

    parts.keep(0, LATENTS)
    parts.keep(1, LATENTS)

    assert parts.take(0) is None


def test_no_more_is_kept_than_allowed(job_folder):
    parts = Parts(job_folder, "key", max_bytes=100)

    parts.keep(0, LATENTS)
    parts.keep(1, LATENTS)
    parts.keep(2, LATENTS)

    assert [parts.take(number) is None for number in range(3)] == [False, False, True]


def test_without_a_folder_of_the_job_nothing_is_kept(tmp_path):
    (tmp_path / "input").write_bytes(b"a picture")
    parts = Parts.of(tmp_path / "out.mp4", Input(), {"image": tmp_path / "input"})

    parts.keep(0, LATENTS)

    assert parts.take(0) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["input"]
