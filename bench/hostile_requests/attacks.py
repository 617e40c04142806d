"""Requests that would take long for a step of the API: read, parse, check, decode, find errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA_URI = b"data:image/png;base64,"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
BOUNDARY = "b"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
MB = 1_000_000


def attacks(headers: Mapping[str, str]) -> dict[str, bytes]:
    """What one caller sends on a connection; `headers` carry its API key."""

    def post(path: str, media_type: str, body: bytes) -> bytes:
        fields = {**headers, "Content-Type": media_type, "Content-Length": str(len(body))}
        return _head("POST", path, fields) + body

    return (
        {name: post("/v1/jobs", JSON, body) for name, body in _json_bodies().items()}
        | {f"form: {name}": post("/v1/jobs", MULTIPART, body) for name, body in _forms().items()}
        | {
            f"batch: {name}": post("/v1/batches?model=noop", media_type, body)
            for name, (media_type, body) in _batches().items()
        }
        | {
            "videos: 64 fields of brackets": post(
                "/v1/videos",
                MULTIPART,
                _fields({f"extra{'[a]' * 300}[{n}]": b"1" for n in range(60)}),
            ),
            "login: 500,000 fields": post("/login", FORM, b"a=1&" * 500_000),
            "session: 16 MB": post("/v1/session", JSON, b" " * 16 * MB),
        }
        | _heads(headers)
    )


def _json_bodies() -> dict[str, bytes]:
    members = {str(n): n for n in range(19_000)}
    return {
        "60,000 zeros at depth 800": _input(b"[" * 800 + b",".join([b"0"] * 60_000) + b"]" * 800),
        "19,500 items": _input(json.dumps([0] * 19_500).encode()),
        "78 objects of 250 members": _input(
            json.dumps([{str(n): n for n in range(250)}] * 78).encode()
        ),
        "250 objects of 78 members": _body(
            json.dumps({str(n): {str(i): i for i in range(78)} for n in range(250)}).encode()
        ),
        "20,000 members": _input(json.dumps(members).encode()),
        "20,000 fields": _body(json.dumps(members).encode()),
        "1 MB of escapes": _input(b'"' + b"\\u0041" * 166_000 + b'"'),
        "numbers of 20 kB": _input(b"[" + b",".join([b"1" * 19_999] * 90) + b"]"),
        "16 MB of zeros": _input(b"[" + b"0," * 7_900_000 + b"0]"),
        "16 MB of quotes": _input(b'"' + b'\\"' * 7_900_000 + b'"'),
        "16 MB data URI": _input(b'"' + DATA_URI + b"iVBORw0KGgo" + b"A" * 15_900_001 + b'"'),
        "16 MB of spaces": _input(b" " * 15_900_000 + b"0"),
    }


def _forms() -> dict[str, bytes]:
    return {
        "100,000 parts": _fields({str(n): b"" for n in range(100_000)}),
        "15 MB of dashes": _fields({"input": b"\r\n-" * 5 * MB}),
        "60 fields": _fields({f"input.{n}": b"a" * 30_000 for n in range(60)}),
        "a part of 100,000 headers": b"--b\r\n" + b"a: b\r\n" * 100_000 + b"\r\n\r\n--b--\r\n",
    }


def _batches() -> dict[str, tuple[str, bytes]]:
    lines, csv = "application/jsonl", "text/csv"
    row = json.dumps({"model": "noop", "input": {"prompt": "x"}}).encode() + b"\n"
    return {
        "10,000 rows": (lines, row * 10_000),
        "10,000 wrong rows": (lines, b'{"model": "noop", "input": {"surprise": 1}}\n' * 10_000),
        "16 MB of empty lines": (lines, b"\n" * 16 * MB),
        "16 MB of brackets": (lines, b"[" * 16 * MB),
        "a row of 16 MB": (lines, b'{"input": {"prompt": "' + b"a" * 16 * MB + b'"}}\n'),
        "CSV of a million columns": (csv, b"a," * MB + b"\n" + b"1," * MB),
        "CSV of 16 MB of quotes": (csv, b"prompt\n" + b'"' * 16 * MB),
        "CSV of 10,000 rows": (csv, b"prompt\n" + b"nothing\n" * 10_000),
    }


def _heads(headers: Mapping[str, str]) -> dict[str, bytes]:
    chunked = {**headers, "Content-Type": JSON, "Transfer-Encoding": "chunked"}
    jobs = _head("GET", "/v1/jobs?limit=100", headers)
    return {
        "chunks of one byte": _head("POST", "/v1/jobs", chunked) + b"1\r\n \r\n" * 500_000,
        "120,000 headers": _head("GET", "/v1/jobs", headers)[:-2] + b"a: b\r\n" * 120_000 + b"\r\n",
        "a header of 16 MB": _head("GET", "/v1/jobs", {**headers, "A": "b" * 16 * MB}),
        "a query of 60 kB": _head("GET", "/v1/jobs?" + "&".join(["a"] * 30_000), headers),
        "a query of 400 labels": _head("GET", "/v1/jobs?" + "&".join(["label=a:b"] * 400), headers),
        "a path of 60 kB": _head("GET", "/v1/jobs/" + "%2e/" * 15_000, headers),
        "200 requests at once": jobs * 200,
        "a cookie of 60 kB": _head("GET", "/", {"Cookie": "a=b;" * 15_000}),
    }


def _head(method: str, path: str, fields: Mapping[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def _fields(values: Mapping[str, bytes]) -> bytes:
    parts = [
        b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)
        for name, value in values.items()
    ]
    return b"".join(parts) + b"--b--\r\n"


def _body(fields: bytes) -> bytes:
    return b'{"model": "noop", "input": ' + fields + b"}"


def _input(value: bytes) -> bytes:
    return _body(b'{"prompt": ' + value + b"}")
