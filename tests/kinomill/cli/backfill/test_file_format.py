"""Encoding and delimiter of a rows file are found out."""

from __future__ import annotations

import codecs

import pytest

from kinomill.cli.backfill.file_format import RowsError, detect
from kinomill.cli.backfill.reader import columns, read


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-16-le", b""),
        ("utf-16-be", b""),
    ],
)
def test_a_csv_file_is_read_in_each_encoding_and_delimiter(tmp_path, delimiter, encoding, mark):
    title = '"Grüße, ""Ann"""' if delimiter == "," else "Grüße, 'Ann'"
    text = f"image{delimiter}audio{delimiter}title\r\n@f.jpg{delimiter}@v.wav{delimiter}{title}\r\n"
    path = tmp_path / "rows.csv"
    path.write_bytes(mark + text.encode(encoding))

    form = detect(path)
    (line,) = read(path, form)

    assert columns(path, form) == ["image", "audio", "title"]
    assert line.cells["title"] in {'Grüße, "Ann"', "Grüße, 'Ann'"}
    assert line.number == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_json_lines_are_read_in_each_encoding(tmp_path, encoding):
    path = tmp_path / "rows.jsonl"
    path.write_bytes('{"prompt": "Grüße"}\n\n{"prompt": "2"}\n'.encode(encoding))

    lines = list(read(path, detect(path)))

    assert [(line.number, line.cells) for line in lines] == [
        (1, {"prompt": "Grüße"}),
        (3, {"prompt": "2"}),
    ]


def test_a_line_may_declare_the_delimiter(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("sep=;\nimage;audio\n@a,b.jpg;@v.wav\n")

    (line,) = read(path, detect(path))

    assert (line.number, line.cells) == (3, {"image": "@a,b.jpg", "audio": "@v.wav"})


def test_one_column_is_no_puzzle(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("prompt\na; b\n")

    assert [line.cells for line in read(path, detect(path))] == [{"prompt": "a; b"}]


@pytest.mark.parametrize("name", ["rows.xlsx", "rows.csv"])
def test_a_workbook_is_refused_with_what_to_do(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"PK\x03\x04" + bytes(100))

    with pytest.raises(RowsError, match="CSV UTF-8"):
        detect(path)


def test_text_that_is_cut_off_in_utf_16_is_refused(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes("image\na\n".encode("utf-16")[:-1])

    with pytest.raises(RowsError, match="is not valid UTF-16"):
        list(read(path, detect(path)))
