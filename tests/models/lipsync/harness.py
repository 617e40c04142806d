"""Small lip-sync runs: real clips and voices, and a network whose output shows the loudness."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np

from models.faces.detection.haar import HaarDetector
from models.lipsync.input import Input
from models.lipsync.network import CropArea
from models.lipsync.run import LipSyncRun
from models.video import sound
from tests.models.video import media

ROOT = Path(__file__).parents[3]
RATE = 16_000
SIZE = (160, 96)
PAINTED = {"top": 60, "bottom": 92, "left": 100, "right": 140}
"""A region of a numbered frame below the row where its number is read."""
LOUD = 0.3
FACES = {
    "portrait": ROOT / "cli/examples/face.jpg",
    "smiling": ROOT / "tests/models/preview_lipsync/media/astronaut.jpg",
}


class Painter:
    """A LipSyncNetwork whose faces are white in frames with loud sound and black in the others."""

    batch = 4

    def __init__(self):
        self.faces = 0

    def frame_count(self, voice, fps, frames):
        return frames

    def audio_features(self, voice, fps, frames, offset):
        samples = np.concatenate(list(sound.blocks(voice, rate=RATE)))
        for frame in range(frames):
            start = round((frame / fps + offset) * RATE)
            window = samples[max(0, start) : max(0, start + round(RATE / fps))]
            yield bool(np.abs(window).max(initial=0) > LOUD)

    def crop_area(self, face, frame):
        height, width = frame.shape[:2]
        return CropArea.inside(width, height, (face.x, face.y, face.x + face.w, face.y + face.h))

    def prepare_face(self, frame, area):
        return area

    def mask(self, frame, area):
        return None

    def paste(self, frame, area, face):
        result = frame.copy()
        area.of(result)[:] = cv2.resize(face, (area.width, area.height))
        return result

    def generate(self, faces, features):
        self.faces += len(faces)
        return [painted(255 if loud else 0) for loud in features]


def painted(value):
    """A face of this brightness but for one pixel, for a face of a single color is an error."""
    face = np.full((96, 96, 3), value, np.uint8)
    face[0, 0] = 128
    return face


class Counting(HaarDetector):
    """OpenCV's cascade, which counts its searches."""

    def __init__(self):
        super().__init__()
        self.searches = 0

    def detect(self, frame, *, min_width=0):
        self.searches += 1
        return super().detect(frame, min_width=min_width)

    def detect_near(self, frame, last):
        self.searches += 1
        return super().detect_near(frame, last)


def nothing(stage, done=0, total=None, *, preview=None, notes=None, part=None):
    """A report callback that does nothing."""


def run(folder, audio, *, network=None, detector=None, track_cache=None, report=nothing, **options):
    """Run a whole lip-sync job, by default with a fixed region and full opacity."""
    inputs = {name: options.pop(name) for name in ("image", "video") if name in options}
    inputs["audio"] = audio
    usual = {} if detector else {"region": PAINTED}
    wanted = {**usual, "rest_in_silence": False, "blend": "box", **options}
    job = LipSyncRun(
        params=Input.model_validate({**dict.fromkeys(inputs, "file_1"), **wanted}),
        inputs=inputs,
        network=network or Painter(),
        detector=detector or HaarDetector(),
        metadata={"comment": "a test"},
        notes={},
        track_cache=track_cache,
    )
    return job.run(folder / "out.mp4", report)


def voice(path, seconds, bursts=(0.2,)):
    """A low hum of exactly so many seconds, with 80 ms of loud sound at some moments."""
    samples = media.tone(seconds, RATE, level=0.05)
    for moment in bursts:
        begin = round(moment * RATE)
        samples[begin : begin + RATE * 80 // 1000] *= 16
    return media.wav(path, samples, RATE)


def film(path):
    """Every frame of a file with its time, decoded without the code under test."""
    with av.open(str(path)) as container:
        return [
            (f.pts * f.time_base, f.to_ndarray(format="bgr24")) for f in container.decode(video=0)
        ]


def whites(frames):
    """The frames whose painted region is white."""
    rows, columns = slice(70, 82), slice(112, 128)
    return [n for n, frame in enumerate(frames) if frame[rows, columns].mean() > 127]


def portrait(name, width=200, height=240):
    """A photo scaled into a frame."""
    return cv2.resize(cv2.imread(str(FACES[name])), (width, height), interpolation=cv2.INTER_AREA)
