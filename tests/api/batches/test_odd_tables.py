"""`POST /v1/batches` and `kinomill backfill` read the same table in the same way, however odd."""

from __future__ import annotations

import codecs
import re

import pytest

from api.batches.lines import CsvColumns, read_csv, read_json_lines
from jobs.errors import RequestError
from kinomill.cli.backfill.file_format import RowsError, detect
from kinomill.cli.backfill.reader import columns, read
from models.preview_lipsync.card import CARD
from tests.kinomill.cli.backfill.test_rows import read as rows_of

ROW = {"image": "f.jpg", "audio": "v.wav"}
PLAIN = "image,audio\nf.jpg,v.wav\n"
UMLAUTS = {"image": "Grüße.jpg", "audio": "v.wav"}
TABLES = {
    "plain": (PLAIN.encode(), [(2, ROW)]),
    "semicolons": (b"image;audio\nf.jpg;v.wav\n", [(2, ROW)]),
    "tabs": (b"image\taudio\nf.jpg\tv.wav", [(2, ROW)]),
    "bars": (b"image|audio\nf.jpg|v.wav", [(2, ROW)]),
    "a quoted header with another delimiter": (
        b'"image";"audio"\n"a;b,c.jpg";v.wav\n', [(2, ROW | {"image": "a;b,c.jpg"})]),
    "more commas than columns in the header": (
        b'"audio","image"\n"v,w|x;y.wav",f.jpg\n', [(2, ROW | {"audio": "v,w|x;y.wav"})]),
    "sep=": (b"sep=;\nimage;audio\nf.jpg;v.wav\n", [(3, ROW)]),
    "quoted sep= before carriage returns": (
        b'"sep=|"\r\nimage|audio\r\nf.jpg|v.wav\r\n', [(3, ROW)]),
    "carriage returns alone": (b"image,audio\rf.jpg,v.wav\r", [(2, ROW)]),
    "UTF-8 with a mark": (codecs.BOM_UTF8 + PLAIN.encode(), [(2, ROW)]),
    "UTF-16 with a mark": (
        "image,audio\nGrüße.jpg,v.wav\n".encode("utf-16"), [(2, UMLAUTS)]),
    "big-endian UTF-16 with a mark": (
        codecs.BOM_UTF16_BE + "image\taudio\r\nGrüße.jpg\tv.wav\r\n".encode("utf-16-be"),
        [(2, UMLAUTS)]),
    "UTF-16 without a mark": (PLAIN.encode("utf-16-le"), [(2, ROW)]),
    "big-endian UTF-16 without a mark": (PLAIN.encode("utf-16-be"), [(2, ROW)]),
    "empty lines": (b"image,audio\n\n\r\nf.jpg,v.wav\n\n,\n\nf.jpg,v.wav", [(4, ROW), (8, ROW)]),
    "spaces around names": (b" image , audio\nf.jpg,v.wav\n", [(2, ROW)]),
    "a line break in quotes": (
        b'image,audio\n"a\nb.jpg",v.wav\nf.jpg,v.wav\n',
        [(2, ROW | {"image": "a\nb.jpg"}), (4, ROW)]),
    "doubled quotes": (b'image,audio\n"a""b",v.wav\n', [(2, ROW | {"image": 'a"b'})]),
    "an own key": (b"key,image,audio\nk1,f.jpg,v.wav\n", [(2, ROW | {"key": "k1"})]),
    "an empty cell": (b"image,audio\nf.jpg,\n", [(2, {"image": "f.jpg"})]),
    "text behind a quote": (b'image,audio\n"f"x,v.wav\nf.jpg,v.wav\n', [
        (2, "is not valid CSV: ',' expected after '\"'"), (3, ROW)]),
    "a quote without an end": (b'image,audio\n"f.jpg,v.wav\n', [
        (2, "is not valid CSV: unexpected end of data")]),
    "too few and too many cells": (b"image,audio\nf.jpg\nf.jpg,v.wav,\n", [
        (2, "has 1 cells, line 1 has 2"), (3, "has 3 cells, line 1 has 2")]),
    "a row that is not UTF-8": (b"image,audio\n\xe9.jpg,v.wav\nf.jpg,v.wav\n", [
        (2, 'is not UTF-8: save the file as "CSV UTF-8"'), (3, ROW)]),
    "a header that is not UTF-8": (
        b"image,aud\xe9\n", 'line 1 is not UTF-8: save the file as "CSV UTF-8"'),
    "broken quotes in the header": (b'image,"audio"x\n', "line 1 is not valid CSV"),
    "the same column twice": (b"image,image\na,b\n", "line 1 must name every column"),
    "the same column twice, but for spaces": (b"image, image\n", "line 1 must name every column"),
    "a column without a name": (b"image,,audio\n", "line 1 must name every column"),
    "an empty file": (b"", "line 1 must name every column"),
    "an empty line first": (b"\nimage,audio\n", "line 1 must name every column"),
    "a mark alone": (codecs.BOM_UTF16_LE, "line 1 must name every column"),
    "half a letter of UTF-16": (PLAIN.encode("utf-16") + b"x", "is not valid UTF-16"),
    "a workbook": (b"PK\x03\x04....", '"CSV UTF-8"'),
    "an old workbook": (b"\xd0\xcf\x11\xe0....", '"CSV UTF-8"'),
}  # fmt: skip


@pytest.mark.parametrize(("body", "expected"), TABLES.values(), ids=TABLES)
def test_both_read_the_same(tmp_path, body, expected):
    path = tmp_path / "rows.csv"
    path.write_bytes(body)

    found = by_server(body), by_client(path)

    if isinstance(expected, str):
        assert all(isinstance(one, str) and expected in one for one in found), found
    else:
        assert found == (expected, expected)


def by_server(body):
    """The rows, each as its cells or what is wrong with it; or what is wrong with the table."""
    try:
        lines = list(read_csv(body, CsvColumns(CARD)))
    except RequestError as error:
        return error.detail.rstrip(".")
    return [
        (line.number, line.error.detail.rstrip(".") if line.error else cells(line.body))
        for line in lines
    ]


def cells(body):
    return body["input"] | ({"key": body["key"]} if "key" in body else {})


def by_client(path):
    try:
        form = detect(path)
        columns(path, form)
        lines = list(read(path, form))
    except RowsError as error:
        return str(error)
    return [(line.number, line.error or line.cells) for line in lines]


@pytest.mark.parametrize("name", ["Image", 'sep="'])
def test_other_names_are_unknown_to_both(tmp_path, name):
    text = f"{name}\nf.jpg\n"
    message = f"{name!r} is not an input of the model ("

    assert message in by_server(text.encode())
    with pytest.raises(RowsError, match=re.escape(message)):
        rows_of(tmp_path, "rows.csv", text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_json_lines_are_read_in_each_encoding(tmp_path, encoding):
    path = tmp_path / "rows.jsonl"
    path.write_bytes('{"prompt": "Grüße"}\n\n{"prompt": "2"}\n'.encode(encoding))

    expected = [(1, {"prompt": "Grüße"}), (3, {"prompt": "2"})]

    assert [(line.number, line.cells) for line in read(path, detect(path))] == expected
    assert [(line.number, line.body) for line in read_json_lines(path.read_bytes())] == expected
