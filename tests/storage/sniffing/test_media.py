"""Identification of files by their bytes: every supported format, and cases B8 to B12."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from storage.sniffing.data_uri import parse_data_uri
from storage.sniffing.images import ImageSize, check_image
from storage.sniffing.media import MediaRejected, check_media, sniff

FUZZ = settings(max_examples=100, deadline=None, database=None, derandomize=True)


def encoded_image(form, size=(80, 70), mode="RGB"):
    file = io.BytesIO()
    Image.new(mode, size).save(file, form)
    return file.getvalue()


def ftyp(*brands):
    body = b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:])
    return struct.pack(">I", len(body) + 4) + body + b"\0\0\0\x08free"


def riff(kind, magic=b"RIFF"):
    return magic + struct.pack("<I", 100) + kind + b"fmt " + bytes(90)


def ogg(codec):
    return b"OggS\0\x02" + bytes(20) + b"\x01\x1e" + codec


def matroska(doctype):
    return b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84" + doctype + bytes(50)


def mp3(count=3):
    return (b"\xff\xfb\x90\x64" + bytes(413)) * count


def adts(count=3):
    return (b"\xff\xf1\x50\x80\x02\x1f\xfc" + bytes(9)) * count


def bmp():
    return encoded_image("BMP")


AUDIO_ONLY = {"audio"}
IMAGE_ONLY = {"image"}
AUDIO_OR_VIDEO = {"audio", "video"}

GOOD = [
    ("jpeg", encoded_image("JPEG"), "image/jpeg", IMAGE_ONLY),
    ("png", encoded_image("PNG"), "image/png", IMAGE_ONLY),
    ("webp", encoded_image("WEBP"), "image/webp", IMAGE_ONLY),
    ("gif", encoded_image("GIF"), "image/gif", {"image", "video"}),
    ("bmp", bmp(), "image/bmp", IMAGE_ONLY),
    ("avif", encoded_image("AVIF"), "image/avif", IMAGE_ONLY),
    ("avif with a general brand", ftyp(b"mif1", b"avif", b"miaf"), "image/avif", IMAGE_ONLY),
    ("tiff", encoded_image("TIFF"), "image/tiff", IMAGE_ONLY),
    ("mp4", ftyp(b"isom", b"iso2", b"avc1", b"mp41"), "video/mp4", AUDIO_OR_VIDEO),
    ("mp4 of a phone", ftyp(b"mp42", b"isom"), "video/mp4", AUDIO_OR_VIDEO),
    ("mp4 by its second brand", ftyp(b"zzzz", b"isom"), "video/mp4", AUDIO_OR_VIDEO),
    ("3gp", ftyp(b"3gp4", b"isom"), "video/mp4", AUDIO_OR_VIDEO),
    ("mov", ftyp(b"qt  "), "video/quicktime", AUDIO_OR_VIDEO),
    ("mov without ftyp", b"\0\0\0\x08wide\0\0\1\0mdat", "video/quicktime", AUDIO_OR_VIDEO),
    ("m4a", ftyp(b"M4A ", b"isom"), "audio/mp4", AUDIO_OR_VIDEO),
    ("webm", matroska(b"webm"), "video/webm", AUDIO_OR_VIDEO),
    ("mkv", matroska(b"matroska"), "video/matroska", AUDIO_OR_VIDEO),
    ("avi", riff(b"AVI "), "video/x-msvideo", AUDIO_OR_VIDEO),
    ("ts", (b"\x47" + bytes(187)) * 4, "video/mp2t", AUDIO_OR_VIDEO),
    ("m2ts", (bytes(4) + b"\x47" + bytes(187)) * 4, "video/mp2t", AUDIO_OR_VIDEO),
    ("mpg", b"\0\0\1\xba" + bytes(50), "video/mpeg", AUDIO_OR_VIDEO),
    ("wav", riff(b"WAVE"), "audio/wav", AUDIO_ONLY),
    ("rf64", riff(b"WAVE", b"RF64"), "audio/wav", AUDIO_ONLY),
    ("mp3 with tags", b"ID3\4" + bytes(90), "audio/mpeg", AUDIO_ONLY),
    ("mp3", mp3(), "audio/mpeg", AUDIO_ONLY),
    ("mp3, one frame", mp3(1), "audio/mpeg", AUDIO_ONLY),
    ("flac", b"fLaC" + bytes(50), "audio/flac", AUDIO_ONLY),
    ("opus", ogg(b"OpusHead"), "audio/ogg", AUDIO_OR_VIDEO),
    ("theora", ogg(b"\x80theora"), "video/ogg", AUDIO_OR_VIDEO),
    ("aac", adts(), "audio/aac", AUDIO_ONLY),
    ("aiff", b"FORM" + bytes(4) + b"AIFF" + bytes(50), "audio/aiff", AUDIO_ONLY),
]

BAD = [
    ("svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    ("svg with a prolog", b'<?xml version="1.0"?>\n<!-- a -->\n<svg/>', "SVG"),
    ("svg with many comments", b"<!---->" * 500 + b"<svg/>", "SVG"),
    ("html", b"\n <!DOCTYPE html><html><svg/>", "an HTML page"),
    ("html with a byte order mark", b"\xef\xbb\xbf<HTML>", "an HTML page"),
    ("pdf", b"%PDF-1.7\n", "a PDF"),
    ("playlist", b"#EXTM3U\nfile:///etc/passwd", "a playlist"),
    ("dash", b'<?xml version="1.0"?><MPD/>', "a DASH manifest"),
    ("text", "Lorem ipsum, déjà vu".encode(), "a text file"),
    ("text in UTF-16", "about this".encode("utf-16"), "unknown"),
    ("json", b'{"a": 1}', "a JSON document"),
    ("zip", b"PK\x03\x04" + bytes(20), "a ZIP"),
    ("gzip", b"\x1f\x8b\x08" + bytes(20), "an archive"),
    ("program", b"\x7fELF" + bytes(20), "a program"),
    ("heic", ftyp(b"heic", b"mif1"), "a HEIC photo, .* send it as JPEG"),
    ("heic with a general brand", ftyp(b"mif1", b"heic"), "a HEIC photo"),
    ("unknown box", ftyp(b"zzzz", b"yyyy"), "unknown"),
    ("matroska of another kind", matroska(b"zzzz"), "unknown"),
    ("empty", b"", "an empty file"),
    ("zeros", bytes(500), "unknown"),
    ("BM that is text", b"BMW makes cars, and this is about them", "a text file"),
    ("one sync byte", b"\xff\xfb\x90\x64" + b"\1" * 3000, "unknown"),
    ("one packet", b"\x47" + b"\1" * 3000, "unknown"),
]


def named(rows):
    return [pytest.param(*row[1:], id=row[0]) for row in rows]


@pytest.mark.parametrize(("content", "mime", "serves"), named(GOOD))
def test_a_supported_format_is_identified(content, mime, serves):
    found = sniff(content)

    assert found.mime == mime
    assert {kind for kind in ("image", "video", "audio") if found.usable_as(kind)} == serves


@pytest.mark.parametrize(("content", "name"), named(BAD))
def test_an_unsupported_format_is_named_in_the_error(content, name):
    with pytest.raises(MediaRejected, match=name) as caught:
        sniff(content)

    assert caught.value.code == "unsupported_media"
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("filename", "content", "wanted"),
    [
        ("photo.jpg", ftyp(b"isom", b"mp42"), "image"),
        ("photo.jpg", b"<svg/>", "image"),
        ("photo.jpg", b"%PDF-", "image"),
        ("voice.wav", b"#EXTM3U\nhttp://10.0.0.1/", "audio"),
        ("voice.wav", encoded_image("PNG"), "audio"),
        ("clip.mp4", riff(b"WAVE"), "video"),
        ("clip.mp4", b"<html>", "video"),
    ],
)
def test_the_file_extension_is_ignored(tmp_path, filename, content, wanted):
    path = tmp_path / filename
    path.write_bytes(content)

    with pytest.raises(MediaRejected, match="this is") as caught:
        check_media(path, wanted)

    assert caught.value.code == "unsupported_media"


def test_a_video_is_usable_as_audio():
    assert check_media(ftyp(b"isom"), "audio").extension == "mp4"


@FUZZ
@given(st.sampled_from([b"", b"\xff", b"\0\0\0\x20ftyp", b"<", b"OggS"]), st.binary(max_size=200))
def test_sniffing_raises_nothing_but_media_rejected(start, content):
    with suppress(MediaRejected):
        sniff(start + content)


def png_header(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_the_image_size_is_read_from_the_header(tmp_path, form):
    path = tmp_path / "image"
    path.write_bytes(encoded_image(form, (91, 64)))

    assert check_image(path) == ImageSize(91, 64)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (png_header(30_000, 30_000) + bytes(40_000), "too_large"),
        (png_header(8000, 8001), "too_large"),
        (png_header(2**31 - 1, 2**31 - 1), "too_large"),
        (png_header(63, 500), "too_small"),
        (png_header(1, 1), "too_small"),
        (png_header(0, 500), "media_unreadable"),
        (png_header(500, 500)[:18], "media_unreadable"),
        (encoded_image("JPEG")[:30], "media_unreadable"),
        (b"\xff\xd8\xff", "media_unreadable"),
        (encoded_image("WEBP")[:14], "media_unreadable"),
        (b"GIF89a\1", "media_unreadable"),
        (encoded_image("TIFF")[:9], "media_unreadable"),
        (b"<svg width='100' height='100'/>", "unsupported_media"),
        (ftyp(b"isom"), "unsupported_media"),
    ],
)
def test_an_image_outside_the_limits_is_rejected_by_its_header(tmp_path, content, code):
    path = tmp_path / "image"
    path.write_bytes(content)

    with pytest.raises(MediaRejected) as caught:
        check_image(path)

    assert caught.value.code == code


def test_only_the_setting_limits_the_bytes_of_an_image(tmp_path):
    path = tmp_path / "image"
    path.write_bytes(encoded_image("PNG", (500, 400)))
    with path.open("r+b") as file:
        file.truncate(70_000_000)

    assert check_image(path) == ImageSize(500, 400)


def test_an_image_of_the_maximum_size_passes(tmp_path):
    path = tmp_path / "image"
    path.write_bytes(png_header(8000, 5000))

    assert check_image(path) == ImageSize(8000, 5000)


HEADS = [encoded_image(form) for form in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")]


@FUZZ
@given(st.sampled_from(HEADS), st.integers(0, 400), st.binary(max_size=60))
def test_a_damaged_image_raises_nothing_but_media_rejected(tmp_path_factory, head, at, garbage):
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(head[:at] + garbage + head[at + len(garbage) :])

    with suppress(MediaRejected):
        check_image(path)


def data_uri(content, kind="image/png;base64"):
    return f"data:{kind},{base64.b64encode(content).decode()}"


@pytest.mark.parametrize("kind", ["image/png;base64", ";base64", "text/html;charset=x;BASE64"])
def test_a_data_uri_is_decoded_whatever_type_it_declares(kind):
    assert parse_data_uri(data_uri(b"\x89PNG", kind), 10) == b"\x89PNG"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "invalid_data_uri"),
        ("data:image/png;base64", "invalid_data_uri"),
        ("http://a/,b", "invalid_data_uri"),
        ("data:text/plain,hello", "invalid_data_uri"),
        ("data:;base64,a", "invalid_data_uri"),
        ("data:;base64,aGVsbG8", "invalid_data_uri"),
        ("data:;base64,aGVs bG8=", "invalid_data_uri"),
        ("data:;base64,aGVs*G8=", "invalid_data_uri"),
        ("data:;base64,aGVsé", "invalid_data_uri"),
        (data_uri(bytes(101)), "input_too_large"),
        (data_uri(bytes(5000)), "input_too_large"),
    ],
)
def test_an_invalid_data_uri_is_rejected(text, code):
    with pytest.raises(MediaRejected) as caught:
        parse_data_uri(text, 100)

    assert caught.value.code == code


def test_a_data_uri_at_the_limit_passes():
    assert parse_data_uri(data_uri(bytes(100)), 100) == bytes(100)


@FUZZ
@given(st.text(alphabet="aQ9+/=, ;é\ud800\0", max_size=40))
def test_parsing_a_data_uri_raises_nothing_but_media_rejected(text):
    for uri in (text, f"data:;base64,{text}"):
        with suppress(MediaRejected):
            parse_data_uri(uri, 20)
