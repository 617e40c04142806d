"""Chunks have frames of one scene, overlap, and fade into each other; every frame comes once."""

from __future__ import annotations

import numpy as np
import pytest

from models.lipsync.chunks import FADE_FRAMES, ChunkedGeneration, Chunking
from models.lipsync.frame_task import FrameTask
from models.lipsync.network import CropArea

AREA = CropArea(0, 4, 0, 4)
OVERLAPPING = Chunking(16, 4)


class Numbering:
    """A network whose faces all have the number of its call as gray level, but for one pixel."""

    batch = 16

    def __init__(self):
        self.calls = []

    def generate(self, faces, features):
        self.calls.append(list(features))
        face = np.full((4, 4, 3), 10 * (len(self.calls) % 25), np.uint8)
        face[0, 0] = 255
        return [face.copy() for _ in faces]


def tasks(count, *, without=(), cuts=(), rests=()):
    """Frames with a face, but for those at `without` and those at `rests`, which are in a pause."""
    for number in range(count):
        passes = number in without or number in rests
        yield FrameTask(
            frame=np.zeros((4, 4, 3), np.uint8),
            features=number,
            opacity=0.0 if number in rests else 1.0,
            area=None if passes else AREA,
            face=None if passes else f"face {number}",
            cut=number in cuts,
        )


def run(chunking, count, **options):
    network = Numbering()
    generation = ChunkedGeneration(network, chunking)
    results = list(generation(tasks(count, **options)))
    assert [task.features for task, _ in results] == list(range(count))
    grays = [None if face is None else int(face[2, 2, 0]) for _, face in results]
    return network.calls, grays, [task.opacity for task, _ in results]


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 27, 48, 82])
def test_without_overlap_the_chunks_are_those_of_the_authors(count):
    calls, grays, _ = run(Chunking(16, 0), count)

    expected = [list(range(start, min(count, start + 16))) for start in range(0, count, 16)]
    assert grays == [10 * (number // 16 + 1) for number in range(count)]
    assert calls == expected


@pytest.mark.parametrize("count", [1, 3, 4, 15, 16])
def test_a_short_run_is_one_chunk_of_its_length(count):
    calls, grays, _ = run(OVERLAPPING, count)

    assert calls == [list(range(count))]
    assert grays == [10] * count


@pytest.mark.parametrize("count", [17, 20, 27, 28, 29, 40, 100])
def test_every_chunk_of_a_longer_run_is_whole(count):
    calls, grays, _ = run(OVERLAPPING, count)

    assert {len(call) for call in calls} == {16}
    assert calls[0] == list(range(16))
    assert calls[-1] == list(range(count - 16, count))
    assert None not in grays


def test_one_chunk_fades_into_the_next():
    _, grays, _ = run(OVERLAPPING, 28)

    assert grays == [*[10] * 12, 12, 14, 16, 18, *[20] * 12]


def test_a_frame_without_a_face_ends_a_chunk_and_faces_fade_out_and_in():
    calls, grays, opacities = run(OVERLAPPING, 41, without=[20])

    assert grays[20] is None
    assert all(set(call) <= set(range(20)) or set(call) <= set(range(21, 41)) for call in calls)
    assert opacities[20 - FADE_FRAMES : 20] == [0.8, 0.6, 0.4, 0.2]
    assert opacities[21 : 21 + FADE_FRAMES] == [0.2, 0.4, 0.6, 0.8]
    assert set(opacities[:16] + opacities[25:]) == {1.0}


def test_a_pause_ends_a_chunk_without_a_second_fade():
    calls, _, opacities = run(OVERLAPPING, 30, rests=[10, 11])

    assert calls == [list(range(10)), list(range(12, 28)), list(range(14, 30))]
    assert set(opacities) - {0.0} == {1.0}


def test_a_cut_ends_a_chunk():
    calls, _, opacities = run(OVERLAPPING, 24, cuts=[12])

    assert calls == [list(range(12)), list(range(12, 24))]
    assert set(opacities) == {1.0}


def test_frames_are_finished_long_before_the_end():
    generation = ChunkedGeneration(Numbering(), OVERLAPPING)
    taken = []

    def source():
        for task in tasks(1000):
            taken.append(task.features)
            yield task

    results = generation(source())
    for _ in range(500):
        next(results)

    assert len(taken) <= 500 + 16
