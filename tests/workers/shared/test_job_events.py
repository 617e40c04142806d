"""The pipe in which a worker's child tells its parent of each job."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from jobs.states import Outcome
from workers.parent.task_events import task_events
from workers.shared.job_events import FILE_NAME, MAX_BYTES, JobEvent, JobEventReader, JobEventWriter

BEGIN = JobEvent("job_x", "wav2lip", 2)
END = JobEvent("job_x", "wav2lip", 2, Outcome.FAILED, "no_face", 1.5)


@pytest.fixture
def reader(tmp_path):
    reader = JobEventReader.create(tmp_path)
    yield reader
    reader.close()


@pytest.fixture
def writer(tmp_path):
    writer = JobEventWriter(tmp_path)
    yield writer
    writer.close()


def test_events_arrive_in_order_and_once(reader, writer):
    writer.send(BEGIN)
    writer.send(END)

    assert list(reader.read()) == [BEGIN, END]
    assert list(reader.read()) == []


def test_those_of_a_killed_child_and_of_its_successor_arrive(reader, writer, tmp_path):
    code = f"""
import os, signal
from pathlib import Path
from workers.shared.job_events import JobEvent, JobEventWriter
JobEventWriter(Path({str(tmp_path)!r})).send(JobEvent("job_x", "wav2lip", 2, at={BEGIN.at}))
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    writer.send(END)

    assert list(reader.read()) == [BEGIN, END]


def test_a_parent_that_does_not_read_stops_no_child(reader, writer):
    for _ in range(5000):
        writer.send(BEGIN)

    read = list(reader.read())
    assert 100 < len(read) < 5000
    assert set(read) == {BEGIN}


def test_without_a_parent_nothing_happens(tmp_path):
    for folder in (None, tmp_path / "gone"):
        JobEventWriter(folder).send(BEGIN)


def test_an_event_that_is_too_long_is_not_sent_in_part(reader, writer):
    writer.send(JobEvent("job_x", "m" * MAX_BYTES, 1))
    writer.send(END)

    assert list(reader.read()) == [END]


def test_what_is_no_event_is_passed_over(reader, writer, tmp_path):
    with (tmp_path / FILE_NAME).open("wb") as pipe:
        pipe.write(b"[]\n{}\nnonsense\n" + json.dumps({"outcome": "odd"}).encode() + b"\n")
    writer.send(END)

    assert list(reader.read()) == [END]


@pytest.mark.parametrize(
    ("outcome", "kinds"),
    [
        (None, ["task-received", "task-started"]),
        (Outcome.SUCCEEDED, ["task-succeeded"]),
        (Outcome.FAILED, ["task-failed"]),
        (Outcome.CANCELED, ["task-revoked"]),
        (Outcome.RETRIED, ["task-retried"]),
        (Outcome.PREEMPTED, ["task-retried"]),
        (Outcome.LOST, ["task-retried"]),
    ],
)
def test_each_outcome_has_its_event_of_celery(outcome, kinds):
    sent = list(task_events(JobEvent("job_x", "wav2lip", 3, outcome, None, 2.0)))

    assert [kind for kind, _ in sent] == kinds
    assert {(fields["uuid"], fields["name"]) for _, fields in sent} == {("job_x", "wav2lip")}


def test_an_event_has_the_time_at_which_it_happened(reader, writer):
    writer.send(JobEvent("job_x", "wav2lip", 1, at=12.5))

    [event] = reader.read()

    assert {fields["timestamp"] for _, fields in task_events(event)} == {12.5}


def test_retries_and_reasons_are_told():
    [(_, received), _] = task_events(BEGIN)
    [(_, failed)] = task_events(END)
    [(_, preempted)] = task_events(JobEvent("job_x", "wav2lip", 1, Outcome.PREEMPTED))

    assert (received["retries"], received["args"]) == (1, "('job_x',)")
    assert (failed["exception"], preempted["exception"]) == ("no_face", "preempted")
