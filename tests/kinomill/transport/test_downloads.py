"""Where downloads are saved."""

from __future__ import annotations

import httpx
import pytest

from kinomill.transport.downloads import PartialFile, sent_suffix, target_path


@pytest.mark.parametrize(
    ("to", "name", "path"),
    [
        (".", None, "job_1.png"),
        (".", "voice.wav", "job_1-voice.wav"),
        (".", "../../etc/passwd", "job_1-passwd"),
        ("new/", None, "new/job_1.png"),
        ("video.mp4", None, "video.mp4"),
        ("new/video.mp4", "voice.wav", "new/video.mp4"),
    ],
)
def test_a_folder_gets_a_file_named_after_the_job(tmp_path, monkeypatch, to, name, path):
    monkeypatch.chdir(tmp_path)

    assert str(target_path(to, "job_1", name, ".png")) == path


@pytest.mark.parametrize(
    ("header", "suffix"),
    [
        ('attachment; filename="job_1.png"', ".png"),
        ("attachment; filename=\"a b.webp\"; filename*=UTF-8''a%20b.webp", ".webp"),
        ('attachment; filename="../../x.a/../b"', ""),
        ('attachment; filename="x.sh;rm -rf"', ""),
        ("attachment", ""),
        (None, ""),
    ],
)
def test_the_extension_is_the_one_that_the_server_names(header, suffix):
    assert sent_suffix({} if header is None else {"content-disposition": header}) == suffix


def test_another_attempt_starts_with_an_empty_file(tmp_path):
    reports = []

    with PartialFile(tmp_path / "a.mp4", lambda *report: reports.append(report)) as file:
        file.restart("4")
        file.write(b"ab")
        file.restart(None)
        file.write(b"abcd")
        path = file.complete()

    assert path.read_bytes() == b"abcd"
    assert reports == [(2, 4), (4, None)]
    assert list(tmp_path.iterdir()) == [path]


def answer(status, content, **headers):
    return httpx.Response(
        status,
        content=content,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


@pytest.mark.parametrize(
    "rest",
    [
        answer(206, b"cd", etag='"other"', content_range="bytes 2-3/4"),
        answer(206, b"bcd", etag='"one"', content_range="bytes 1-3/4"),
        answer(206, b"cd", etag='"one"'),
    ],
)
def test_a_part_that_does_not_follow_is_not_appended(tmp_path, rest):
    with PartialFile(tmp_path / "a.mp4") as file:
        file.begin(answer(200, b"abcd", etag='"one"'))
        file.write(b"ab")
        assert file.headers["Range"] == "bytes=2-"

        with pytest.raises(httpx.RemoteProtocolError):
            file.begin(rest)

        assert file.headers == {}


@pytest.mark.parametrize(
    "headers", [{}, {"etag": 'W/"one"'}, {"etag": '"one"', "content-encoding": "identity"}]
)
def test_a_file_of_an_unnamed_version_is_asked_for_as_a_whole(tmp_path, headers):
    with PartialFile(tmp_path / "a.mp4") as file:
        file.begin(httpx.Response(200, content=b"abcd", headers=headers))
        file.write(b"ab")

        assert file.headers == {}


def test_two_downloads_to_one_path_do_not_mix(tmp_path):
    target = tmp_path / "a.mp4"

    with PartialFile(target) as first, PartialFile(target) as second:
        for file, content in ((first, b"first"), (second, b"second")):
            file.restart(None)
            file.write(content)
        first.complete()
        assert target.read_bytes() == b"first"
        second.complete()

    assert target.read_bytes() == b"second"
