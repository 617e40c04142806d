from __future__ import annotations

import stat
from pathlib import Path

from cli.embedded.data_dir import MACHINE, create, default_home, write_private
from tests.cli.embedded.conftest import ROOT, as_root, output


@as_root
def test_root_stores_its_data_in_the_system_folder():
    assert default_home() == MACHINE / "default"
    assert default_home("other") == MACHINE / "other"


def test_an_ordinary_user_stores_data_in_the_users_data_folder(ordinary):
    code = "print(Path.home(), default_home('a'), default_home('b', xdg_data_home=Path('/data')))"

    user_home, own, chosen = output(code, os_user=ordinary).split()

    assert own == f"{user_home}/.local/share/kinomill/a"
    assert chosen == "/data/kinomill/b"


def test_an_existing_folder_keeps_its_mode(tmp_path):
    tmp_path.chmod(0o750)

    create(tmp_path / "a" / "b")

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == (0o711 if ROOT else 0o700)


def test_a_private_file_is_readable_by_its_owner_only(tmp_path):
    path = Path(tmp_path / "secret")

    write_private(path, "one")
    write_private(path, "two")

    assert path.read_text() == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
