from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
import pytest

from models.errors import InputRejected
from models.preview_lipsync.card import Input
from models.preview_lipsync.runner import Runner
from tests.models.preview_lipsync.preview_media import (
    FACES,
    RATE,
    VOICES,
    Face,
    nothing,
    read_film,
    read_wav,
    write_wav,
)


@pytest.fixture(scope="session")
def runner():
    return Runner()


@pytest.fixture
def generate(runner, tmp_path):
    """Run the model on an image or a video and a voice; return the result."""

    def run(audio, *, report=nothing, out="out.mp4", image=None, video=None, **options):
        given = {"image": image, "video": video, "audio": audio}
        inputs = {name: path for name, path in given.items() if path is not None}
        params = Input.model_validate({**dict.fromkeys(inputs, "file_1"), **options})
        return runner.generate(params, inputs, tmp_path / out, report)

    return run


@pytest.fixture(scope="session")
def smiling():
    return cv2.imread(str(FACES["smiling"].path))


@pytest.fixture(scope="session")
def short_voice(tmp_path_factory):
    """Two seconds of speech."""
    samples = read_wav(VOICES["example"])[RATE // 2 : RATE // 2 + 2 * RATE]
    return write_wav(tmp_path_factory.mktemp("voice") / "short.wav", samples)


@dataclass(frozen=True)
class Spoken:
    """The result of a photo and a voice that ends with a second of silence."""

    face: Face
    clip: object
    film: np.ndarray
    loudness: np.ndarray
    seconds: Fraction

    @property
    def opening(self):
        """How much each frame's mouth differs from the one at the end, in gray levels."""
        mouths = self.film[(slice(None), *self.face.mouth)].astype(np.float32)
        return np.abs(mouths - mouths[-1]).mean(axis=(1, 2, 3))


@pytest.fixture(
    scope="session",
    params=[(face, voice) for face in FACES for voice in VOICES],
    ids=lambda pair: "-".join(pair),
)
def spoken(request, runner, tmp_path_factory):
    face, folder = FACES[request.param[0]], tmp_path_factory.mktemp("spoken")
    speech = read_wav(VOICES[request.param[1]])[: 4 * RATE]
    voice = np.concatenate([speech, np.zeros(RATE, np.float32)])
    inputs = {"image": face.path, "audio": write_wav(folder / "voice.wav", voice)}
    params = Input.model_validate(dict.fromkeys(inputs, "file_1"))
    clip = runner.generate(params, inputs, folder / "out.mp4", nothing)
    windows = voice.reshape(-1, RATE // 25)
    loudness = np.sqrt((windows**2).mean(axis=1))
    return Spoken(face, clip, read_film(clip.path), loudness, Fraction(len(voice), RATE))


@pytest.fixture
def refused():
    """Expect a rejection with this code and field."""

    @contextmanager
    def expect(code, field):
        with pytest.raises(InputRejected) as caught:
            yield
        assert (caught.value.code, caught.value.field) == (code, field)
        assert str(caught.value)

    return expect
