import av
import cv2
import numpy as np
import pytest

from models.video.frames import Loop, frames, looped
from models.video.probe import probe
from tests.models.video.encoding.test_clip_writer import disc

WIDTH, HEIGHT = 160, 96
KINDS = {
    "vp9.webm": ("libvpx-vp9", "yuva420p", {"crf": "10", "b": "0", "auto-alt-ref": "0"}),
    "vp9.mkv": ("libvpx-vp9", "yuva420p", {"crf": "10", "b": "0", "auto-alt-ref": "0"}),
    "vp8.webm": ("libvpx", "yuva420p", {"crf": "4", "b": "4M", "auto-alt-ref": "0"}),
    "prores.mov": ("prores_ks", "yuva444p10le", {"profile": "4444", "alpha_bits": "16"}),
    "qtrle.mov": ("qtrle", "argb", {}),
    "png.mov": ("png", "rgba", {}),
    "deep.mov": ("png", "rgba64be", {}),
    "ffv1.mkv": ("ffv1", "bgra", {}),
}


def clip(path, kind, count=4, width=WIDTH):
    codec, pixels, options = KINDS[kind]
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=25, options=options)
        video.width, video.height, video.pix_fmt = width, HEIGHT, pixels
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(disc(number, width), "rgba")
            frame = frame.reformat(format=pixels, dst_colorspace=5, dst_color_range=1)
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def on_white(rgba):
    """BGR as floats."""
    share = rgba[..., 3:] / 255
    return (rgba[..., :3] * share + 255 * (1 - share))[..., ::-1]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_transparent_is_white(tmp_path, kind):
    path = clip(tmp_path / kind, kind)

    pictures = list(frames(path))

    assert len(pictures) == probe(path).video.frames == 4
    for number, picture in enumerate(pictures):
        wanted = on_white(disc(number))
        assert np.abs(picture - wanted).mean() < 6
        assert picture[2, -2].min() >= 250


@pytest.mark.parametrize("kind", ["vp9.webm", "png.mov"])
def test_scaling_does_not_mix_hidden_colors_into_the_edge(tmp_path, kind):
    small = next(frames(clip(tmp_path / kind, kind), max_side=WIDTH // 2))

    wanted = cv2.resize(on_white(disc(0)), (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
    assert np.abs(small - wanted).mean() < 3


@pytest.mark.parametrize("kind", ["vp9.webm", "vp8.webm"])
def test_reading_backwards_keeps_alpha(tmp_path, kind):
    path = clip(tmp_path / kind, kind)

    pictures = list(looped(path, 7, loop=Loop.PING_PONG))

    assert np.abs(pictures[6] - on_white(disc(0))).mean() < 6
    assert pictures[6][2, -2].min() >= 250


def test_a_transparent_gif_is_on_white(tmp_path):
    path = tmp_path / "clip.gif"
    with av.open(str(path), "w") as container:
        video = container.add_stream("gif", rate=10)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "pal8"
        for number in range(3):
            palette = np.zeros((256, 4), np.uint8)
            palette[:2] = (0, 0, 0, 0), (255, 200, 30, 40)  # ARGB
            indices = np.zeros((HEIGHT, WIDTH), np.uint8)
            indices[20:60, 20 + number : 60] = 1
            frame = av.VideoFrame.from_ndarray((indices, palette), format="pal8")
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))

    picture = next(frames(path))

    assert picture[5, 5].tolist() == [255, 255, 255]
    assert picture[40, 40].tolist() == [40, 30, 200]


@pytest.mark.parametrize("kind", ["vp9.webm", "vp8.webm"])
def test_damaged_alpha_is_no_crash(tmp_path, kind):
    path = clip(tmp_path / "clip.webm", kind, count=12)
    content = bytearray(path.read_bytes())
    for index in range(len(content) // 2, len(content), 97):
        content[index] ^= 0x5A
    path.write_bytes(content)

    pictures = list(frames(path))

    assert pictures
    assert all(picture.shape == (HEIGHT, WIDTH, 3) for picture in pictures)


@pytest.mark.parametrize("kind", ["vp9.webm", "vp8.webm"])
def test_alpha_of_another_size_is_left_out(tmp_path, kind):
    """The second stream is decoded with the same limits as the first."""
    path = clip(tmp_path / "clip.webm", kind)
    other = av.open(str(clip(tmp_path / "large.webm", kind, width=2 * WIDTH)))
    with other, av.open(str(path)) as container, av.open(str(tmp_path / "x.webm"), "w") as out:
        stream = out.add_stream_from_template(container.streams.video[0])
        stream.metadata["alpha_mode"] = "1"
        pairs = zip(container.demux(video=0), other.demux(video=0), strict=True)
        for packet, large in pairs:
            if packet.size:
                packet.set_sidedata(large.get_sidedata("matroska_block_additional"))
                packet.stream = stream
                out.mux(packet)

    pictures = list(frames(tmp_path / "x.webm"))

    assert [picture.shape for picture in pictures] == [(HEIGHT, WIDTH, 3)] * 4
    assert pictures[0][2, -2].min() < 50  # the hidden color, not white
