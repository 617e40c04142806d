"""Free bytes of folders."""

from __future__ import annotations

from runtime.metrics.exposition import Figures
from runtime.metrics.volumes import VOLUME_FREE, add_volumes


def test_a_folder_that_cannot_be_read_hides_no_other(tmp_path):
    (tmp_path / "file").touch()
    figures = Figures()

    add_volumes(
        figures,
        {"absent": tmp_path / "absent", "broken": tmp_path / "file" / "x", "here": tmp_path},
    )

    [free] = [family for family in figures.collect() if family.name == VOLUME_FREE.name]
    assert [sample.labels for sample in free.samples] == [{"volume": "here"}]
