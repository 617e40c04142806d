"""Lines of a file become rows."""

from __future__ import annotations

import pytest

from kinomill.cli.backfill.file_format import RowsError
from kinomill.cli.backfill.rows import Rows
from kinomill.input_schema import InputSchema
from models.preview_lipsync.card import CARD

SCHEMA = InputSchema(CARD.input.model_json_schema())
URLS = "https://example.com/f.jpg,https://example.com/v.wav"


@pytest.fixture
def folder(tmp_path):
    for name in ("f.jpg", "v.wav"):
        (tmp_path / name).touch()
    return tmp_path


def read(folder, name, text, **options):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    rows = Rows(path, SCHEMA, **options)
    rows.check()
    return list(rows)


def test_a_csv_line_becomes_values_and_files(folder):
    text = "image,audio,fps,openness,loop\n@f.jpg,@v.wav,30,,hold\n"

    (row,) = read(folder, "rows.csv", text)

    assert row.error is None
    assert (row.number, row.values) == (2, {"fps": 30, "loop": "hold"})
    assert row.files == {"image": folder / "f.jpg", "audio": folder / "v.wav"}


def test_a_json_line_becomes_values_and_files(folder):
    text = '{"image": null, "video": "https://e.com/c.mp4", "audio": "@v.wav", "key": "k"}\n\n'

    (row,) = read(folder, "rows.jsonl", text)

    assert row.error is None
    assert row.values == {"video": "https://e.com/c.mp4"}
    assert row.key == "k"


def test_rows_are_numbered_by_the_line_where_they_start(folder):
    text = f'image,audio,loop\n\n{URLS},hold\n"https://e.com/\na",{URLS[-25:]},hold\n{URLS},hold\n'

    assert [row.number for row in read(folder, "rows.csv", text)] == [3, 4, 6]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"{", "is not valid JSON"),
        (b"[1]", "is not a JSON object"),
        (b'{"fps": NaN}', "NaN is not JSON"),
        (b'{"audio": "\xff"}', "is not UTF-8"),
        (b'{"audio": "\\ud800"}', "is not UTF-8"),
        (b"[" * 100_000, "is not valid JSON"),
        (b'{"image": "@f.jpg"}', "audio: is required"),
        (b'{"image": "@f.jpg", "audio": "@no.wav"}', "audio: no file"),
        (b'{"image": "@f.jpg", "audio": "@%s"}' % (b"x" * 300), "audio: no file"),
        (b'{"image": "f.jpg", "audio": "@v.wav"}', "image: 'f.jpg' is not a URL but a file"),
        (b'{"image": "@f.jpg", "audio": "@v.wav", "fps": "30"}', "fps: must be integer"),
        (b'{"image": "@f.jpg", "audio": "@v.wav", "key": ""}', "key: must be 1 to 255"),
        (b'{"image": "@f.jpg", "audio": "@v.wav", "key": 3}', "key: must be 1 to 255"),
    ],
)
def test_a_bad_line_is_named_and_the_next_one_is_read(folder, line, error):
    good = b'{"image": "@f.jpg", "audio": "@v.wav"}\n'

    bad, next_one = read(folder, "rows.jsonl", line + b"\n" + good)

    assert error in bad.error
    assert next_one.error is None


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("@f.jpg", "has 1 cells, line 1 has 2"),
        ('"@f.jpg"x,@v.wav', "is not valid CSV"),
        ("@f.jpg,", "audio: is required"),
    ],
)
def test_a_bad_csv_line_is_named_and_the_next_one_is_read(folder, line, error):
    bad, next_one = read(folder, "rows.csv", f"image,audio\n{line}\n@f.jpg,@v.wav\n")

    assert error in bad.error
    assert next_one.error is None


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("rows.txt", "", "a .jsonl or a .csv file"),
        ("rows.csv", "", "line 1 must name every column"),
        ("rows.csv", "image,image\n", "line 1 must name every column"),
        ("rows.csv", "image,note\n", "--ignore note"),
    ],
)
def test_an_unusable_file_is_refused(folder, name, text, message):
    with pytest.raises(RowsError, match=message):
        read(folder, name, text)


def test_paths_need_no_at_sign_in_columns_of_files(folder):
    text = f"image,audio,note\nf.jpg,@v.wav,x\n{URLS},y\n"
    options = {"files": frozenset({"image", "audio"}), "ignored": frozenset({"note"})}

    local, remote = read(folder, "rows.csv", text, **options)

    assert local.files.keys() == {"image", "audio"}
    assert remote.files == {}
    assert local.error is remote.error is None


def test_only_media_inputs_are_columns_of_files(folder):
    with pytest.raises(RowsError, match="--files fps"):
        read(folder, "rows.csv", "image\n", files=frozenset({"fps"}))


def test_the_extra_columns_of_a_report_are_ignored(folder):
    (row,) = read(folder, "rows.csv", "image,audio,row,code,detail\n@f.jpg,@v.wav,7,no_face,x\n")

    assert row.error is None
    assert row.values == {}
    assert (row.number, row.name) == (7, "000007")


def test_a_changed_row_is_another_row(folder):
    first, second, third = read(
        folder,
        "rows.csv",
        f"image,audio,fps\n{URLS},25\n{URLS},26\n{URLS},25\n",
    )

    assert first.digest == third.digest != second.digest
