import os

import numpy as np
import pytest

from models.video import constant_rate_reader
from models.video.constant_rate_reader import ConstantRateReader
from models.video.frames import looped
from models.video.timing import frame_stack
from models.video.timing.frame_stack import DiskStack, FrameSpan
from tests.models.video import media

ROOM = 20 * 160 * 96 * 3


class Itself:
    """A converter of frames that are pictures already."""

    def to_bgr(self, frame):
        return frame


@pytest.mark.parametrize("size", [(96, 160), (47, 81), (64, 64), (1080, 1920)])
def test_pictures_come_back_from_disk_exactly_and_last_first(tmp_path, size):
    pictures = np.random.default_rng(1).integers(0, 256, (3, *size, 3), dtype=np.uint8)

    with DiskStack(tmp_path, 10**9, 1.0) as frames:
        for number in (0, 1):
            frames.push(FrameSpan(pictures[number], number, number + 1), Itself())
        second = frames.pop()
        frames.push(FrameSpan(pictures[2], 1, 5), Itself())
        third, first = frames.pop(), frames.pop()

        assert len(frames) == 0
    assert [(p.first, p.stop) for p in (second, third, first)] == [(1, 2), (1, 5), (0, 1)]
    assert (np.array([first.image, second.image, third.image]) == pictures).all()
    assert [*tmp_path.iterdir()] == []


def one_key_frame(path, count, **options):
    pictures = [media.numbered(n) for n in range(count)]
    return media.clip(path, pictures, options={"g": "9999", "sc_threshold": "0"}, **options)


@pytest.fixture
def decodes(monkeypatch):
    """Counts the frames that are decoded."""
    seen = []
    decoded = constant_rate_reader.decoded

    def counted(container, stream):
        for frame in decoded(container, stream):
            seen.append(frame.pts)
            yield frame

    monkeypatch.setattr(constant_rate_reader, "decoded", counted)
    return seen


@pytest.mark.parametrize(("name", "codec"), [("c.mp4", "libx264"), ("c.ts", "libx264")])
@pytest.mark.parametrize("count", [120, 480])
def test_backwards_over_one_key_frame_decodes_each_frame_a_few_times(
    tmp_path, monkeypatch, decodes, name, codec, count
):
    monkeypatch.setattr(constant_rate_reader, "BACKWARD_BYTES", 4 * 160 * 96 * 3 // 2)
    path = one_key_frame(tmp_path / name, count, codec=codec)

    got = [media.number_of(picture) for picture in looped(path, 2 * count - 1)]

    assert got == [*range(count), *range(count - 2, -1, -1)]
    assert len(decodes) <= 7 * count


@pytest.fixture
def spilled(monkeypatch):
    """The bytes on disk after each frame, with room for 20 pictures that are not compressed."""
    monkeypatch.setattr(constant_rate_reader, "BACKWARD_BYTES", 4 * 160 * 96 * 3 // 2)
    monkeypatch.setattr(constant_rate_reader, "SPILL_BYTES", ROOM)
    sizes = []
    push = DiskStack.push

    def measured(frames, span, converter):
        push(frames, span, converter)
        sizes.append(frames._file.tell())

    monkeypatch.setattr(DiskStack, "push", measured)
    return sizes


def test_disk_is_bounded_too(tmp_path, spilled):
    path = one_key_frame(tmp_path / "c.mp4", 200)

    got = [media.number_of(picture) for picture in looped(path, 399)]

    assert got == [*range(200), *range(198, -1, -1)]
    assert 0 < max(spilled) <= ROOM


def test_disk_is_bounded_where_dark_credits_follow_pictures(tmp_path, spilled, decodes):
    """Backwards, noise comes after black pictures, of which hundreds fit."""
    noise = np.random.default_rng(4).integers(0, 256, (60, 96, 160, 3), dtype=np.uint8)
    pictures = [*noise, *np.zeros((120, 96, 160, 3), np.uint8)]
    options = {"g": "9999", "sc_threshold": "0", "qp": "0"}
    path = media.clip(tmp_path / "c.mp4", pictures, options=options)
    shown = list(ConstantRateReader(path).forward())
    decodes.clear()

    got = list(looped(path, 359))

    assert all((a == b).all() for a, b in zip(got, [*shown, *shown[-2::-1]], strict=True))
    assert 10 * 160 * 96 * 3 < max(spilled) <= ROOM
    assert len(decodes) <= 7 * 180


def test_what_is_free_bounds_the_disk(tmp_path):
    with DiskStack(tmp_path, 10**18, 0.25) as frames:
        disk = os.fstatvfs(frames._file.fileno())
        assert 0 < frames.room <= 0.5 * disk.f_bavail * disk.f_frsize


def test_a_picture_without_room_takes_the_place_of_the_others(tmp_path):
    noise = np.random.default_rng(5).integers(0, 256, (4, 96, 160, 3), dtype=np.uint8)
    with DiskStack(tmp_path, 3 * 160 * 96 * 3, 1.0) as frames:
        frames.push(FrameSpan(np.zeros_like(noise[0]), 0, 1), Itself())
        dark = frames.largest
        for number, picture in enumerate(noise, 1):
            frames.push(FrameSpan(picture, number, number + 1), Itself())
            assert frames._file.tell() <= frames.room

        kept = [frames.pop() for _ in range(len(frames))]

    assert dark < 160 * 96 < 160 * 96 * 3 < frames.largest
    assert [one.first for one in kept] == [4, 3]
    assert all((one.image == noise[one.first - 1]).all() for one in kept)


def test_frames_on_disk_equal_those_in_memory(tmp_path, monkeypatch):
    rng = np.random.default_rng(2)
    pictures = [rng.integers(0, 256, (96, 160, 3), dtype=np.uint8) for _ in range(60)]
    path = media.clip(tmp_path / "c.mp4", pictures, options={"g": "999"}, turn=90)
    by_memory = list(looped(path, 119))
    monkeypatch.setattr(constant_rate_reader, "BACKWARD_BYTES", 2 * 160 * 96 * 3 // 2)

    by_disk = list(looped(path, 119))

    assert all((a == b).all() for a, b in zip(by_disk, by_memory, strict=True))


def test_a_few_frames_backwards_write_few_frames_to_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(constant_rate_reader, "BACKWARD_BYTES", 4 * 160 * 96 * 3 // 2)
    written = []
    push = DiskStack.push
    monkeypatch.setattr(DiskStack, "push", lambda *rest: (written.append(1), push(*rest)))
    path = one_key_frame(tmp_path / "c.mp4", 200)

    assert len(list(looped(path, 205))) == 205
    assert 5 <= len(written) <= 16


def test_a_full_disk_is_not_the_fault_of_the_clip(tmp_path, monkeypatch):
    monkeypatch.setattr(constant_rate_reader, "BACKWARD_BYTES", 4 * 160 * 96 * 3 // 2)
    path = one_key_frame(tmp_path / "c.mp4", 100)
    full = OSError(28, "No space left on device")

    def refuse(*_, **__):
        raise full

    monkeypatch.setattr(frame_stack.tempfile, "TemporaryFile", refuse)
    reader = ConstantRateReader(path)
    list(reader.forward())

    with pytest.raises(OSError, match="No space left") as raised:
        next(reader.backward(99))

    assert raised.value is full
