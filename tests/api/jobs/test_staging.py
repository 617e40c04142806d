"""Media of a submission: checked by content and by URL."""

from __future__ import annotations

import pytest

from runtime.media.formats import taken_for
from tests.api.build import MODEL, data_uri, job_body, png, pointers, problem, wav

REFUSED_URLS = [
    "http://169.254.169.254/computeMetadata/v1/",
    "https://169.254.169.254/computeMetadata/v1/",
    "http://127.0.0.1:6379/",
    "https://127.0.0.1/",
    "https://localhost/x.png",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://0x7f.1/",
    "https://2130706433/",
    "https://10.0.0.1/a.jpg",
    "https://metadata.google.internal/",
    "https://example.com:22/",
    "https://user:pass@example.com/",
    "https://example.com/a b",
    "https:///x.jpg",
    "http://example.com/a.jpg",
    "file:///etc/passwd",
    "/etc/passwd",
    "gs://other-bucket/x",
    "ftp://example.com/a.jpg",
    "javascript:alert(1)",
    "face.jpg",
    "https://" + "a" * 5_000 + ".com/",
]


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_a_url_that_is_not_public_https_is_rejected(client, url):
    answer = problem(client.post("/v1/jobs", json=job_body(image=url)), 422, "url_not_allowed")

    assert pointers(answer) == ["/input/image"]


def test_an_operator_may_allow_http(start):
    client = start(fetch_allow_http=True)

    response = client.post("/v1/jobs", json=job_body(image="http://example.com/a.jpg"))

    assert response.status_code == 202


def test_a_data_uri_is_stored_as_a_file(client, stored):
    body = job_body(image=data_uri(png()), audio=data_uri(wav()))

    given = client.post("/v1/jobs", json=body).json()["input"]

    assert stored() == sorted([f"inputs/{given['image']}", f"inputs/{given['audio']}"])


BAD_DATA_URIS = {
    "bare": "data:",
    "no comma": "data:image/png;base64",
    "not base64": "data:image/png,abc",
    "broken": "data:image/png;base64,@@@@",
    "odd": "data:image/png;base64,abc",
    "letters": "data:image/png;base64,é",
}


@pytest.mark.parametrize("uri", BAD_DATA_URIS.values(), ids=BAD_DATA_URIS)
def test_a_malformed_data_uri_is_rejected(client, uri):
    answer = problem(client.post("/v1/jobs", json=job_body(image=uri)), 422, "invalid_data_uri")

    assert pointers(answer) == ["/input/image"]


def test_an_image_of_any_size_below_its_setting_is_accepted(start):
    client = start(max_image_bytes=30_000_000)
    large = png() + bytes(25_000_000)

    response = client.post(
        "/v1/jobs", data={"model": MODEL}, files={"image": large, "audio": wav()}
    )

    assert response.status_code == 202


@pytest.mark.parametrize("content", [b"%PDF-1.7", b"\0\0\0\x18ftypheic", wav()])
def test_the_refusal_of_a_format_names_what_the_field_takes(client, content):
    response = client.post(
        "/v1/jobs", data={"model": MODEL}, files={"image": content, "audio": wav()}
    )

    answer = problem(response, 422, "unsupported_media")
    assert f"takes {taken_for('image')}" in answer["detail"]


def test_media_over_the_limit_of_their_kind_are_rejected(start, stored):
    client = start(max_image_bytes=1_000, max_audio_bytes=1_000)

    as_uri = client.post("/v1/jobs", json=job_body(audio=data_uri(wav())))
    as_file = client.post("/v1/jobs", data={"model": MODEL}, files={"image": png(), "audio": wav()})

    for response in (as_uri, as_file):
        answer = problem(response, 422, "input_too_large")
        assert pointers(answer) == ["/input/audio"]
        assert "1,000" in answer["detail"] or "1000" in answer["detail"]
    assert stored() == []


def test_a_file_of_an_earlier_job_can_be_used_again(client):
    files = {"image": png(), "audio": wav()}
    first = client.post("/v1/jobs", data={"model": MODEL}, files=files).json()["input"]

    body = job_body(image=first["image"], audio=first["audio"])
    second = client.post("/v1/jobs", json=body)

    assert second.status_code == 202
    assert second.json()["input"] == first


@pytest.mark.parametrize(
    "name",
    ["0" * 32, "0" * 31, "F" * 32, "../../etc/passwd", "", "\N{ARABIC-INDIC DIGIT ONE}" * 32],
)
def test_an_unknown_file_id_is_rejected(client, name):
    response = client.post("/v1/jobs", json=job_body(audio=f"file_{name}"))

    assert pointers(problem(response, 422, "file_not_found")) == ["/input/audio"]


PLAYLIST = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"
FTYP = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"
HALF_MATROSKA = b"\x1a\x45\xdf\xa3\x8b\x42\x82\x88matroska\x18\x53\x80\x67\x88" + bytes(4)
WRONG = {
    "SVG": ("image", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_media"),
    "HTML": ("image", b"<!doctype html><p>hello", "unsupported_media"),
    "PDF": ("image", b"%PDF-1.7\n", "unsupported_media"),
    "MP4": ("image", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "unsupported_media"),
    "voice for a photo": ("image", wav(), "unsupported_media"),
    "photo for a voice": ("audio", png(), "unsupported_media"),
    "playlist": ("audio", PLAYLIST, "unsupported_media"),
    "nothing": ("audio", b"", "unsupported_media"),
    "noise": ("audio", bytes(range(256)) * 4, "unsupported_media"),
    "pixel bomb": ("image", png(30_000, 30_000), "too_large"),
    "one pixel": ("image", png(1, 1), "too_small"),
    "no pixel": ("image", png(0, 0), "media_unreadable"),
    "half a PNG header": ("image", png()[:12], "media_unreadable"),
    "half a voice": ("audio", wav(2.0)[:30_000], "media_unreadable"),
    "half an MP4": ("audio", FTYP + b"\0\0\x10\0mdat" + bytes(100), "media_unreadable"),
    "an MP4 without an index": ("audio", FTYP + b"\0\0\0\x10mdat12345678", "media_unreadable"),
    "half a Matroska": ("audio", HALF_MATROSKA, "media_unreadable"),
    "half a JPEG header": ("image", b"\xff\xd8\xff\xe0\0\x10JFIF", "media_unreadable"),
}


@pytest.mark.parametrize(("field", "content", "code"), WRONG.values(), ids=WRONG)
def test_unusable_media_are_rejected_by_their_content(client, stored, field, content, code):
    good = {"image": png(), "audio": wav()}
    named = {"image": ("photo.jpg", "image/jpeg"), "audio": ("voice.wav", "audio/wav")}
    files = {
        name: (named[name][0], (good | {field: content})[name], named[name][1]) for name in good
    }

    as_file = client.post("/v1/jobs", data={"model": MODEL}, files=files)
    as_uri = client.post("/v1/jobs", json=job_body(**{field: data_uri(content, named[field][1])}))

    for response in (as_file, as_uri):
        answer = problem(response, 422, code)
        assert pointers(answer) == [f"/input/{field}"]
        assert not answer["retryable"]
    assert stored() == []


def test_a_truncated_photo_is_refused_before_a_worker_sees_it(client, photo):
    files = {"image": photo.read_bytes()[:20_000], "audio": wav()}
    response = client.post("/v1/jobs", data={"model": MODEL}, files=files)

    assert pointers(problem(response, 422, "media_unreadable")) == ["/input/image"]
