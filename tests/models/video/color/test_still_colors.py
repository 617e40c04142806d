import io
import struct
import zlib

import av
import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from models.video.still import read_still
from tests.models.video import media
from tests.models.video.color import icc, reference
from tests.models.video.color.reference import HLG, PQ, error

P3 = icc.rgb(icc.P3, icc.SRGB_CURVE)
ADOBE = icc.rgb(icc.ADOBE, (563 / 256,))


def in_p3(rgb):
    """The same colors in Display P3."""
    light = reference.linear(rgb) @ reference.P3_FROM_BT709.T
    signal = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(255 * signal).astype(np.uint8)


def saved(path, image, kind, **values):
    fine = {"quality": 95} if kind in {"JPEG", "AVIF"} else {}
    if kind == "JPEG":
        fine["subsampling"] = 0
    if kind == "WEBP":
        fine["lossless"] = True
    Image.fromarray(image).save(path, kind, **fine, **values)
    return path


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_display_p3_becomes_srgb(tmp_path, kind):
    rgb = reference.picture()
    path = saved(tmp_path / "photo", in_p3(rgb), kind, icc_profile=P3)

    assert error(read_still(path), rgb) < 1.5
    assert error(read_still(saved(path, in_p3(rgb), kind)), rgb) > 2.5


def test_adobe_rgb_becomes_srgb(tmp_path):
    path = saved(tmp_path / "photo", np.full((80, 80, 3), (180, 100, 90), np.uint8), "PNG")
    Image.open(path).save(path, "PNG", icc_profile=ADOBE)

    assert np.abs(read_still(path)[40, 40] - np.array([89, 99, 200])).max() <= 3


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_the_profile_of_srgb_changes_nothing(tmp_path, kind):
    rgb = reference.picture()
    plain = read_still(saved(tmp_path / "plain", rgb, kind))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    assert (read_still(saved(tmp_path / "photo", rgb, kind, icc_profile=profile)) == plain).all()


@pytest.mark.parametrize("profile", [b"", b"none" * 100, P3[:200], P3[:36] + b"x" + P3[37:]])
def test_a_damaged_profile_is_left_out(tmp_path, profile):
    rgb = reference.picture()
    path = saved(tmp_path / "photo", rgb, "JPEG", icc_profile=profile)

    assert error(read_still(path), rgb) < 2


def test_a_gray_profile_is_applied_to_gray(tmp_path):
    gray = np.full((80, 80), 128, np.uint8)
    path = saved(tmp_path / "photo", gray, "PNG", icc_profile=icc.gray(1.0))

    assert np.abs(read_still(path).astype(int) - 188).max() <= 2


def test_a_gray_profile_of_a_colored_image_is_left_out(tmp_path):
    rgb = reference.picture()

    path = saved(tmp_path / "photo", rgb, "PNG", icc_profile=icc.gray(1.0))

    assert error(read_still(path), rgb) == 0


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_inks_are_converted_by_their_profile(tmp_path, kind):
    """A printer whose black is a dark gray (L* 30), and whose colors have none."""
    profile = icc.cmyk(lambda inks: (100 - 70 * max(inks), 0, 0))
    inks = np.zeros((80, 120, 4), np.uint8)
    inks[:, 40:, 3] = 255
    inks[:, 80:] = (255, 0, 0, 0)
    options = {"quality": 95} if kind == "JPEG" else {}
    Image.frombytes("CMYK", (120, 80), inks.tobytes()).save(
        tmp_path / "photo", kind, icc_profile=profile, **options
    )

    image = read_still(tmp_path / "photo")

    assert image[40, 20].min() >= 253
    dark = image[40, 60].astype(int)
    assert np.ptp(dark) <= 2
    assert 50 <= dark.mean() <= 95
    assert np.abs(image[40, 100] - dark).max() <= 4


@pytest.mark.parametrize("deep", [False, True])
def test_transparent_parts_of_a_wide_image_are_white(tmp_path, deep):
    rgb = reference.picture()
    rgba = np.dstack([in_p3(rgb), np.full(rgb.shape[:2], 255, np.uint8)])
    rgba[:40, :40, 3] = 0
    path = saved(tmp_path / "photo.png", rgba, "PNG", icc_profile=P3)
    if deep:
        path.write_bytes(with_profile(png16(rgba.astype(np.uint16) * 257), P3))

    image = read_still(path)

    assert (image[:40, :40] == 255).all()
    assert error(image[40:], rgb[40:]) < 1.5


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize("alpha", [False, True])
def test_hdr_of_a_png_is_tone_mapped(tmp_path, transfer, alpha):
    rgb = reference.picture()
    signal = np.rint(65_535 * reference.hdr(rgb, transfer)).astype(np.uint16)
    if alpha:
        signal = np.dstack([signal, np.full(rgb.shape[:2], 65_535, np.uint16)])
    path = tmp_path / "photo.png"
    path.write_bytes(with_chunk(png16(signal), b"cICP", bytes([9, transfer, 0, 1])))

    assert error(read_still(path), rgb) < 6


@pytest.mark.parametrize("brand", [b"avif", b"mif1"])
@pytest.mark.parametrize(
    ("bits", "flags"), [(8, (1, 13, 1)), (10, (1, 13, 1)), (10, (9, PQ, 9)), (10, (9, HLG, 9))]
)
def test_an_avif_of_each_depth_is_read(tmp_path, bits, flags, brand):
    """OpenCV leaves values of 10 bits as they are: nearly black as 16 bits.

    The major brand may be that of any image file (`mif1`), with `avif` among the others.
    """
    rgb = reference.picture()
    signal = rgb / 255 if flags[1] == 13 else reference.hdr(rgb, flags[1])
    path = tmp_path / "photo.avif"
    codes = reference.yuv(signal, flags[2])
    kind = np.uint8 if bits == 8 else np.uint16
    with media.av1_file(path, format="avif") as container:
        video = container.add_stream("libsvtav1", rate=1, options={"crf": "10", "preset": "10"})
        video.height, video.width = rgb.shape[:2]
        video.pix_fmt = "yuv420p" if bits == 8 else "yuv420p10le"
        context = video.codec_context
        context.color_primaries, context.color_trc, context.colorspace = flags
        frame = av.VideoFrame(video.width, video.height, video.pix_fmt)
        for plane, values in zip(frame.planes, (codes[0], *codes[1:, ::2, ::2]), strict=True):
            rows = np.frombuffer(plane, kind).reshape(plane.height, -1)
            rows[:, : plane.width] = np.rint(values * (1 << bits)).clip(0, (1 << bits) - 1)
        frame.pts = 0
        container.mux(video.encode(frame))
        container.mux(video.encode(None))
    content = path.read_bytes()
    path.write_bytes(content[:8] + brand + content[12:])
    assert b"avif" in content[16:32]

    assert error(read_still(path), rgb) < 6


def png16(image):
    """A PNG of 16 bits from RGB or RGBA."""
    order = cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR
    return cv2.imencode(".png", cv2.cvtColor(image, order))[1].tobytes()


def with_profile(png, profile):
    return with_chunk(png, b"iCCP", b"p\0\0" + zlib.compress(profile))


def with_chunk(png, name, content):
    """The file with a chunk after its header."""
    body = name + content
    chunk = struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
    assert io.BytesIO(png).read(8) == b"\x89PNG\r\n\x1a\n"
    return png[:33] + chunk + png[33:]
