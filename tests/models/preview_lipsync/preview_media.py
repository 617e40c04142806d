import wave
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

ROOT = Path(__file__).parents[3]
MEDIA = Path(__file__).with_name("media")
RATE = 16_000


@dataclass(frozen=True)
class Face:
    """A photo and its measured regions, as slices of rows and columns."""

    path: Path
    mouth: tuple[slice, slice]
    still: tuple[tuple[slice, slice], ...]


FACES = {
    "portrait": Face(
        ROOT / "cli/examples/face.jpg",
        mouth=np.s_[272:312, 228:304],
        still=(np.s_[100:235, 150:380], np.s_[0:300, 400:500], np.s_[480:600, 0:512]),
    ),
    "smiling": Face(
        MEDIA / "astronaut.jpg",
        mouth=np.s_[138:164, 203:245],
        still=(np.s_[20:120, 160:290], np.s_[0:180, 320:500], np.s_[300:512, 0:512]),
    ),
}
VOICES = {"example": ROOT / "cli/examples/voice.wav", "second": MEDIA / "voice.wav"}


def nothing(stage, done=0, total=None, *, preview=None, notes=None, part=None):
    """A report callback that does nothing."""


def read_wav(path):
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return samples.astype(np.float32) / 32768


def write_wav(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype(np.int16).tobytes())
    return path


def read_film(path):
    """Every frame of an MP4, decoded without the code under test."""
    with av.open(str(path)) as container:
        return np.array([frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)])


def write_film(path, frames, fps):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=fps, options={"crf": "10", "x264-params": "asm=avx2"}
        )
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def moving(photo, count):
    """Frames of 320 x 320 around the face of a photo, slowly panned, rotated and zoomed."""
    frames = []
    for index in range(count):
        center = 225 + 12 * np.sin(index / 13), 120 + 6 * np.sin(index / 9)
        turn = cv2.getRotationMatrix2D(
            center, 3 * np.sin(index / 17), 1.6 + 0.1 * np.sin(index / 11)
        )
        turn[:, 2] += 160 - center[0], 160 - center[1]
        frames.append(cv2.warpAffine(photo, turn, (320, 320)))
    return frames
