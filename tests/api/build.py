"""Builders of submissions and of the smallest media that the API accepts."""

from __future__ import annotations

import base64
import io
import re
import struct
import tempfile
import wave
import zlib
from functools import cache

from api.app import create_app
from api.errors.statuses import STATUSES
from api.settings import ApiSettings
from jobs.errors import ErrorCode

MODEL = "preview-lipsync"
URLS = {"image": "https://example.com/face.jpg", "audio": "https://example.com/voice.wav"}
MEDIA_TYPE = "application/problem+json"


def job_body(labels=None, **changes):
    """A JSON submission whose media are URLs; a field set to None is left out."""
    given = {name: value for name, value in (URLS | changes).items() if value is not None}
    return {"model": MODEL, "input": given, "labels": labels or {}}


def png(width=64, height=64):
    """A PNG with this size in its header; only workers decode images."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def wav(seconds=0.1):
    """A silent recording."""
    out = io.BytesIO()
    with wave.open(out, "wb") as voice:
        voice.setparams((1, 2, 16000, 0, "NONE", ""))
        voice.writeframes(bytes(2 * int(16000 * seconds)))
    return out.getvalue()


def raw_form(*parts, end=b"--x--\r\n"):
    """A multipart body, part by part: the Content-Disposition and the content."""
    heads = [b"--x\r\nContent-Disposition: form-data; " + head for head, _ in parts]
    return (
        b"".join(
            head + b"\r\n\r\n" + part[1] + b"\r\n" for head, part in zip(heads, parts, strict=True)
        )
        + end
    )


WHOLE_FORM = [
    (b'name="model"', MODEL.encode()),
    (b'name="image"', URLS["image"].encode()),
    (b'name="audio"', URLS["audio"].encode()),
]


def data_uri(content, mime="application/octet-stream"):
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


@cache
def openapi_document():
    """The OpenAPI document of an API with all models; needs no server."""
    settings = ApiSettings(
        database_url="postgresql://127.0.0.1/none",
        redis_url="redis://127.0.0.1:1/0",
        storage=tempfile.gettempdir(),
        secret_key="x" * 32,
    )
    return create_app(settings).openapi()


@cache
def documented_codes():
    """Error codes by method, pattern of the path and status, as the OpenAPI document lists them."""
    document = openapi_document()
    return {
        (method, re.sub(r"\{\w+\}", "[^/]+", path.replace("{key}", ".+")), int(status)): re.findall(
            r"`(\w+)`:", response["description"]
        )
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for status, response in operation["responses"].items()
    }


def is_documented(request, status, code):
    """Whether the operation lists this code; true for a bug, and for a path without operations."""
    if code == ErrorCode.INTERNAL_ERROR:
        return True
    method, path = request.method.lower(), request.url.path
    operations = {
        (pattern, found): codes
        for (verb, pattern, found), codes in documented_codes().items()
        if verb == method and re.fullmatch(pattern, path)
    }
    return not operations or any(
        code in codes for (_, found), codes in operations.items() if found == status
    )


def problem(response, status, code):
    """Assert that the response is this problem, and return its body."""
    assert response.status_code == status, response.text[:500]
    assert response.headers["content-type"] == MEDIA_TYPE
    answer = response.json()
    assert (answer["status"], answer["code"]) == (status, code), answer
    assert status in STATUSES[ErrorCode(code)], "a status that the table does not list"
    assert is_documented(response.request, status, code), "the operation does not list this code"
    assert answer["type"] == f"/docs/errors#{code}"
    assert answer["detail"]
    assert "Traceback" not in response.text
    return answer


def pointers(answer):
    return [error["pointer"] for error in answer["errors"]]


def _chunk(kind, content):
    length, check = struct.pack(">I", len(content)), struct.pack(">I", zlib.crc32(kind + content))
    return length + kind + content + check
