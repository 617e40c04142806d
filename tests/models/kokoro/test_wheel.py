"""The wheel of spaCy's model is unpacked within limits. Needs no extra."""

from __future__ import annotations

import zipfile

import pytest

from models.kokoro import g2p


def wheel(folder, files):
    path = folder / "en_core_web_sm-3.8.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_a_small_wheel_is_unpacked(tmp_path):
    g2p.unpack(wheel(tmp_path, {"model/data/config.cfg": "[nlp]"}), tmp_path / "to")

    assert (tmp_path / "to/model/data/config.cfg").read_text() == "[nlp]"


@pytest.mark.parametrize(
    "files", [{"large": bytes(g2p.MAX_WHEEL_BYTES + 1)}, dict.fromkeys(map(str, range(1001)), "")]
)
def test_a_wheel_that_would_fill_the_disk_is_not_unpacked(tmp_path, files):
    with pytest.raises(ValueError, match=r"files of .* bytes, but 1,000 files and 200,000,000"):
        g2p.unpack(wheel(tmp_path, files), tmp_path / "to")

    assert not (tmp_path / "to").exists()


def test_a_wheel_that_lies_about_its_size_unpacks_no_more_than_it_says(tmp_path):
    path = wheel(tmp_path, {"large": bytes(100_000)})
    path.write_bytes(path.read_bytes().replace((100_000).to_bytes(4, "little"), b"\x0a\0\0\0"))

    with pytest.raises(zipfile.BadZipFile):
        g2p.unpack(path, tmp_path / "to")

    assert (tmp_path / "to" / "large").stat().st_size <= 10
