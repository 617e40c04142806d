import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from models.errors import InputRejected
from models.video import still
from models.video.guarded.decoder_process import DecoderEnded, DecoderProcess, environment
from models.video.orientation import UPRIGHT, of_exif
from models.video.probe import probe
from models.video.still import read_photo, read_still, start_decoder
from runtime.media.formats import MAX_IMAGE_PIXELS
from tests.storage.sniffing.doubtful_images import DOUBTFUL
from tests.waiting import until

KINDS = ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"]


def corners(width=120, height=80):
    """An RGB image with four corners of different colors."""
    picture = np.full((height, width, 3), 30, np.uint8)
    picture[: height // 2, : width // 2] = (220, 30, 30)
    picture[: height // 2, width // 2 :] = (30, 220, 30)
    picture[height // 2 :, : width // 2] = (30, 30, 220)
    return Image.fromarray(picture)


def is_close(picture, rgb, within=6.0):
    """Same shape and a small mean difference: JPEG and palettes change single pixels."""
    wanted = np.asarray(rgb)[..., ::-1].astype(int)
    return picture.shape == wanted.shape and np.abs(picture - wanted).mean() < within


@pytest.mark.parametrize("kind", KINDS)
def test_each_format_is_read_as_bgr(tmp_path, kind):
    path = tmp_path / "photo"
    corners().save(path, kind)

    picture = read_still(path)

    assert picture.dtype == np.uint8
    assert is_close(picture, corners())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, kind, orientation):
    path = tmp_path / "photo"
    exif = Image.Exif()
    exif[0x0112] = orientation
    corners().save(path, kind, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(path)).convert("RGB")

    assert is_close(read_still(path), upright)


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "LA", "RGBA", "I;16"])
def test_each_color_mode_is_converted_to_bgr(tmp_path, mode):
    path = tmp_path / "photo"
    grey = corners().convert("L")
    if mode == "I;16":
        stored = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    else:
        stored = corners().convert(mode)
    stored.save(path, "JPEG" if mode == "CMYK" else "PNG", **_fine(mode))
    wanted = grey if mode == "I;16" else stored

    assert is_close(read_still(path), wanted.convert("RGB"))


def _fine(mode):
    return {"quality": 95} if mode == "CMYK" else {}


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bit_color_is_converted_to_eight_bits(tmp_path, suffix):
    path = tmp_path / f"photo{suffix}"
    deep = np.asarray(corners())[..., ::-1].astype(np.uint16) * 257
    cv2.imwrite(str(path), deep)

    assert is_close(read_still(path), corners(), within=0.5)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(("opacity", "level"), [(0, 255), (128, 177), (255, 100)])
def test_transparency_is_composited_on_white(tmp_path, kind, opacity, level):
    path = tmp_path / "photo"
    Image.new("RGBA", (80, 80), (100, 100, 100, opacity)).save(
        path, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {})
    )

    assert np.abs(read_still(path).astype(int) - level).max() <= 1


def test_an_animated_gif_gives_its_first_frame(tmp_path):
    path = tmp_path / "photo.gif"
    corners().save(path, save_all=True, append_images=[Image.new("RGB", (120, 80), "white")])

    assert is_close(read_still(path), corners())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_a_truncated_image_is_refused(tmp_path, kind, share):
    path = tmp_path / "photo"
    noise = np.random.default_rng(3).integers(0, 255, (96, 96, 3), np.uint8)
    Image.fromarray(noise).save(path, kind)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])

    with pytest.raises(InputRejected) as refusal:
        read_still(path)

    assert refusal.value.code == "media_unreadable"


@pytest.mark.parametrize("content", [b"", b"<svg></svg>", b"%PDF-1.7", b"\xff\xd8\xff", b"BM"])
def test_a_file_that_is_not_an_image_is_refused(tmp_path, content):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)

    with pytest.raises(InputRejected) as refusal:
        read_still(path)

    assert refusal.value.code == "media_unreadable"


@pytest.mark.parametrize("turn", range(1, 9))
def test_an_avif_is_turned_as_its_boxes_say(tmp_path, turn):
    """Pillow writes the orientation as `irot` and `imir`, as phones do, and not as EXIF."""
    path = tmp_path / "photo.avif"
    picture = np.zeros((80, 120, 3), np.uint8)
    picture[:20, :30] = 255
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(picture).save(path, exif=exif, quality=100)
    with Image.open(path) as opened:
        shown = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))

    assert is_close(read_still(path), Image.fromarray(shown))


def test_the_exif_of_an_avif_does_not_turn_it(tmp_path):
    """Pillow would write boxes for tag 0x0112, so it gets another one, which is changed here."""
    path, exif = tmp_path / "photo.avif", Image.Exif()
    exif[0x0128] = 6
    corners().save(path, exif=exif, quality=100)
    before, after = path.read_bytes().split(b"\x01\x28\x00\x03")
    path.write_bytes(before + b"\x01\x12\x00\x03" + after)

    assert is_close(read_still(path), corners())


def test_an_avif_is_read(tmp_path):
    path = tmp_path / "photo.png"
    corners().save(path, "AVIF", quality=100)

    assert probe(path).is_still
    assert np.abs(read_still(path).astype(int) - np.asarray(corners())[..., ::-1]).mean() < 3


def test_float_pixels_are_scaled_from_zero_to_one(tmp_path):
    path = tmp_path / "photo.tiff"
    cv2.imwrite(str(path), np.full((80, 80, 3), 0.5, np.float32))

    assert np.abs(read_still(path).astype(int) - 127).max() <= 1


def test_pixels_of_an_unknown_scale_are_refused(tmp_path):
    path = tmp_path / "photo.tiff"
    cv2.imwrite(str(path), np.full((80, 80), 500, np.int32))

    with pytest.raises(InputRejected):
        read_still(path)


@pytest.mark.parametrize("exif", [b"", b"Exif", b"Exif\x00\x00II*\x00\xff\xff\xff\xff", b"MM\x00*"])
def test_a_broken_exif_block_is_ignored(exif):
    assert of_exif(exif) == UPRIGHT


def _png_that_states(width, height):
    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(40_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(_png_that_states(30_000, 30_000))

    with pytest.raises(InputRejected) as refusal:
        read_still(path)

    assert refusal.value.code == "too_large"


def test_the_caller_can_set_the_pixel_limit(tmp_path):
    path = tmp_path / "photo.png"
    corners().save(path)

    assert read_still(path, max_pixels=120 * 80).shape == (80, 120, 3)
    with pytest.raises(InputRejected):
        read_still(path, max_pixels=120 * 80 - 1)


@pytest.mark.parametrize("size", [(1, 1), (63, 200), (200, 63)])
def test_an_image_below_the_minimum_size_is_refused(tmp_path, size):
    path = tmp_path / "photo.png"
    Image.new("RGB", size).save(path)

    with pytest.raises(InputRejected) as refusal:
        read_still(path)

    assert refusal.value.code == "too_small"


@pytest.mark.parametrize(
    "case", ["JPEG, a frame behind FF 00", "TIFF, the width twice, last", "TIFF, huge tiles"]
)
def test_the_size_that_the_decoder_reads_is_limited(tmp_path, case):
    """A header that another program reads as a small image; some are decoded at 12,000 x 12,000."""
    path = tmp_path / "photo"
    path.write_bytes(DOUBTFUL[case])

    with pytest.raises(InputRejected) as refusal:
        read_still(path)

    assert refusal.value.code in {"too_large", "media_unreadable"}


@pytest.mark.parametrize(
    ("kind", "shape"), [("JPEG", (3072, 4096)), ("PNG", (5477, 7302)), ("WEBP", (5477, 7302))]
)
def test_a_photo_of_50_megapixels_is_scaled(tmp_path, kind, shape):
    """A JPEG is decoded at half its size, others are scaled to 40 megapixels; both are upright."""
    path = tmp_path / "photo"
    exif = Image.Exif()
    exif[0x0112] = 3
    photo = Image.new("RGB", (8192, 6144), (200, 30, 30))
    photo.paste((30, 30, 200), (0, 0, 4096, 6144))
    photo.save(path, kind, exif=exif)

    found = read_photo(path)
    image = found.image

    assert image.shape == (*shape, 3)
    assert (found.width, found.height) == (8192, 6144)
    assert np.abs(image[100, 100].astype(int) - (30, 30, 200)).max() < 6
    assert np.abs(image[-100, -100].astype(int) - (200, 30, 30)).max() < 6


def test_a_large_photo_on_its_side_keeps_its_size_upright(tmp_path):
    path, exif = tmp_path / "photo", Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8001, 6001)).save(path, "JPEG", exif=exif)

    found = read_photo(path)

    assert (found.width, found.height) == (6001, 8001)
    assert found.image.shape == (4001, 3001, 3)


def test_an_image_that_takes_too_much_memory_is_refused(tmp_path):
    """25 million pixels of four 64-bit numbers: 800 MB, and another 800 MB to convert them."""
    path = tmp_path / "photo.tiff"
    cv2.imwrite(str(path), np.zeros((5000, 8000, 4), np.float64), [cv2.IMWRITE_TIFF_COMPRESSION, 8])

    with pytest.raises(InputRejected) as refusal:
        read_still(path)

    assert refusal.value.code == "too_large"


def test_the_decoder_sees_no_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("KINOMILL_SECRET_KEY", "secret")

    assert not any("KINOMILL" in name for name in environment(1))


FAULTY = """
import os
from models.video.decoding import still_decoder
from models.video.guarded.photo import Photo
still_decoder._warm_up = lambda: None
still_decoder.CPU_SECONDS = 1
still_decoder.decode = lambda *_: {fault}
still_decoder.main()
"""


@pytest.fixture
def faulty(tmp_path, monkeypatch):
    """Lets `read_still` use a decoder with this fault."""
    monkeypatch.syspath_prepend(tmp_path)
    processes = []

    def use(fault):
        (tmp_path / "faulty_decoder.py").write_text(FAULTY.format(fault=fault))
        processes.append(DecoderProcess(MAX_IMAGE_PIXELS, "faulty_decoder"))
        monkeypatch.setattr(still._DECODERS, "start", lambda: processes[0])

    yield use
    for process in processes:
        process.close()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("os.abort()", InputRejected),
        ("os.kill(os.getpid(), 24)", InputRejected),
        ("os._exit(3)", DecoderEnded),
        ("1 / 0", DecoderEnded),
    ],
)
def test_a_decoder_that_crashes_ends_only_the_job(tmp_path, faulty, fault, error):
    """A crash is the file's fault, a traceback is ours."""
    (tmp_path / "photo").write_bytes(b"x")
    faulty(fault)

    for _ in range(2):
        with pytest.raises(error):
            read_still(tmp_path / "photo")


def test_an_image_that_takes_too_long_is_refused_in_words(tmp_path, faulty):
    """Where both limits of the time are one, Linux kills: nobody knew why the decoder had ended."""
    (tmp_path / "photo").write_bytes(b"x")
    faulty("all(True for _ in iter(int, 1))")

    with pytest.raises(InputRejected, match="too long to decode") as refusal:
        read_still(tmp_path / "photo")

    assert refusal.value.code == "too_large"


def test_an_image_that_crashes_its_decoder_does_not_end_that_of_the_next(tmp_path, faulty):
    path = tmp_path / "photo"
    path.write_bytes(b"bad")
    good = "Photo(still_decoder.np.zeros((80, 90, 3), 'uint8'), 90, 80)"
    faulty(f"os.abort() if _[0] == b'bad' else {good}")
    with pytest.raises(InputRejected):
        read_still(path)
    path.write_bytes(b"good")

    assert read_still(path).shape == (80, 90, 3)


def test_a_decoder_process_that_was_killed_is_started_again(tmp_path):
    path = tmp_path / "photo.png"
    corners().save(path)
    start_decoder()
    killed = still._DECODERS._process
    killed._process.kill()
    killed._process.wait()

    assert is_close(read_still(path), corners())
    assert still._DECODERS._process is not killed


def test_a_decoder_ends_with_its_owner(tmp_path):
    program = "from models.video import still\nstill.start_decoder()\n" + (
        "print(still._DECODERS._process._process.pid, flush=True)\nimport os; os._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    until(lambda: not Path(f"/proc/{int(done.stdout)}").exists(), what="the end of the decoder")


def test_a_decoder_ends_with_an_owner_that_ends_within_its_request():
    decoder = DecoderProcess(MAX_IMAGE_PIXELS)
    decoder._socket.sendall((100).to_bytes(4, "big") + b'{"path": ')
    decoder._socket.close()

    try:
        assert decoder._process.wait(timeout=60) == 0
    finally:
        decoder._process.kill()
        decoder._process.wait()


def test_a_caller_sets_the_minimum_size(tmp_path):
    path = tmp_path / "photo.png"
    Image.new("RGB", (1, 1), "red").save(path)

    assert read_still(path, min_side=1).tolist() == [[[0, 0, 255]]]
