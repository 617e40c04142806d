"""InSPyReNet with weights of a small base size, over HTTP, from upload to download."""

from __future__ import annotations

import json
import zipfile
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from PIL import Image

from kinomill import Client, InvalidInput
from models.inspyrenet.checkpoint import convert
from models.video import sound
from tests.acceptance.manifests import manifest
from tests.acceptance.pictures import UNUSUAL, turned
from tests.folders import temporary_folder
from tests.models.inspyrenet import formula
from tests.models.video import media
from tests.running_stack import running_stack

pytestmark = pytest.mark.slow

BASE_SIZE = (64, 64)
CARDS = [f"tests.acceptance.matting_cards:{name}" for name in ("PICTURE", "CLIP")]
SIZE = (120, 80)
"""Width and height of the pictures."""
TIMES = (0, 3, 4, 9, 10)
"""Of frames, in 1/25 s: a variable rate."""
CLIP_FORMATS = {
    "webm": ("video/webm", "libvpx-vp9"),
    "mov": ("video/quicktime", "prores"),
}


@pytest.fixture(scope="module")
def weights():
    """A converted checkpoint and its manifest, in a temporary folder."""
    with temporary_folder("matting") as folder:
        torch.save(formula.network(BASE_SIZE).state_dict(), folder / "ckpt_base.pth")
        path = folder / "ckpt_base.safetensors"
        convert(folder / "ckpt_base.pth", path, dtype="fp16", base_size=BASE_SIZE)
        (folder / "weights.toml").write_text(manifest("matting", {path.name: path}))
        yield folder


@pytest.fixture(scope="module")
def client(weights):
    """A client of a Kinomill that serves both models."""
    with temporary_folder("matting-home") as home:
        variables = {
            "KINOMILL_MODELS": json.dumps(CARDS),
            "KINOMILL_ON_DEMAND": json.dumps(CARDS),
            "KINOMILL_WEIGHTS": str(home / "volume"),
            "MATTING_MANIFEST": str(weights / "weights.toml"),
        }
        with running_stack(home, variables) as stack, Client(stack.url) as it:
            yield it


@pytest.fixture(scope="module")
def picture():
    return Image.fromarray(formula.frame(SIZE[1], SIZE[0], 5005))


@pytest.fixture
def remove(client, tmp_path):
    """The downloaded result of a picture, and its job."""

    def run(path, **fields):
        job = client.run("picture", {"image": path}, **fields)
        return Image.open(client.download(job, tmp_path)), job

    return run


@pytest.fixture(scope="module")
def phone(tmp_path_factory):
    """A clip as phones make them: turned by 90 degrees, at a variable rate, with sound."""
    frames = [formula.frame(96, 160, 5005 + number)[..., ::-1] for number in range(len(TIMES))]
    return media.clip(
        tmp_path_factory.mktemp("phone") / "phone.mp4",
        [np.ascontiguousarray(frame) for frame in frames],
        times=TIMES,
        time_base=Fraction(1, 25),
        turn=90,
        sound=(48_000, media.tone(0.44, 48_000)),
    )


@pytest.mark.parametrize(
    ("fields", "kind", "mode"),
    [
        ({}, "PNG", "RGBA"),
        ({"format": "webp"}, "WEBP", "RGBA"),
        ({"format": "jpeg", "output": "color", "color": "#00ff00"}, "JPEG", "RGB"),
    ],
)
def test_a_picture_in_each_format(remove, picture, tmp_path, fields, kind, mode):
    picture.save(tmp_path / "in.png")

    with remove(tmp_path / "in.png", **fields)[0] as found:
        assert (found.format, found.mode, found.size) == (kind, mode, SIZE)
        if mode == "RGBA":
            assert np.ptp(np.asarray(found)[..., 3]) > 200


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_pictures(remove, picture, tmp_path, name):
    UNUSUAL[name](picture.copy(), tmp_path / name)
    with Image.open(tmp_path / name) as source:
        size = source.size

    with remove(tmp_path / name)[0] as found:
        assert (found.format, found.mode, found.size) == ("PNG", "RGBA", size)


def test_all_orientations_give_the_same_result(remove, picture, tmp_path):
    """The bytes are those of an upright picture, stored turned or mirrored in each way."""
    results = []
    for orientation in range(1, 9):
        path = turned(picture, tmp_path / f"{orientation}.png", orientation)
        with remove(path)[0] as found:
            results.append(np.asarray(found))

    assert all(np.array_equal(results[0], each) for each in results)
    assert results[0].shape == (SIZE[1], SIZE[0], 4)


def test_the_result_names_its_type_and_what_was_found(remove, picture, tmp_path):
    picture.save(tmp_path / "in.png")

    found, job = remove(tmp_path / "in.png")

    found.close()
    assert (job.result.width, job.result.height) == SIZE
    assert job.result.notes["mode"] == "base"
    assert 0 < job.result.notes["confidence"] < 1


def test_what_is_no_picture_is_refused_for_the_field(client, tmp_path):
    (tmp_path / "in.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"no picture" * 20)

    with pytest.raises(InvalidInput, match="image"):
        client.run("picture", {"image": tmp_path / "in.png"})


def decoded(path, decoder):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = av.CodecContext.create(decoder, "r")
        context.extradata = stream.codec_context.extradata
        return [
            (frame.reformat(format="rgba").to_ndarray(), frame.pts * stream.time_base)
            for packet in container.demux(stream)
            for frame in context.decode(packet if packet.size else None)
        ]


@pytest.mark.parametrize("form", CLIP_FORMATS)
def test_a_turned_clip_with_its_own_times_and_sound_keeps_alpha(client, phone, tmp_path, form):
    job = client.run("clip", {"video": phone}, format=form, normalize="frame")
    path = client.download(job, tmp_path)

    frames = decoded(path, CLIP_FORMATS[form][1])
    assert (job.result.width, job.result.height, job.result.frames) == (96, 160, 5)
    assert [begin for _, begin in frames] == [Fraction(time, 25) for time in TIMES]
    assert all(np.ptp(frame[..., 3]) > 150 for frame, _ in frames)
    assert float(sound.duration(path)) == pytest.approx(0.44, abs=0.03)
    assert job.result.notes["flicker_after"] <= job.result.notes["flicker_before"]


def test_a_clip_on_a_color_is_an_mp4(client, phone, tmp_path):
    job = client.run(
        "clip",
        {"video": phone},
        format="mp4",
        output="color",
        color="#00ff00",
        normalize="frame",
    )
    path = client.download(job, tmp_path)

    with av.open(str(path)) as container:
        first = next(container.decode(video=0)).to_ndarray(format="rgb24")
        assert container.streams.audio
    green = (first[..., 1] > 180) & (first[..., 0] < 90)
    assert first.shape == (160, 96, 3)
    assert green.mean() > 0.02


def test_a_clip_as_pictures_in_a_zip(client, phone, tmp_path):
    job = client.run("clip", {"video": phone}, format="png_zip")
    path = client.download(job, tmp_path)

    with zipfile.ZipFile(path) as file:
        names = file.namelist()
        with Image.open(file.open("frame_000003.png")) as frame:
            assert (frame.mode, frame.size) == ("RGBA", (96, 160))
    assert {"frame_000005.png", "frames.ffconcat", "sound.wav"} <= set(names)
