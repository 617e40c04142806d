from __future__ import annotations

import stat
from pathlib import Path

from cli.embedded.data_dir import MACHINE, create, default_home, write_private
from tests.cli.embedded.conftest import ROOT, as_root, output


@as_root
def test_root_keeps_its_state_below_the_machine_s_folder():
    assert default_home() == MACHINE / "default"
    assert default_home("other") == MACHINE / "other"


def test_an_ordinary_user_keeps_its_state_in_its_data_folder(ordinary):
    code = "print(Path.home(), default_home('a'), default_home('b', xdg_data_home=Path('/data')))"

    user_home, own, chosen = output(code, account=ordinary).split()

    assert own == f"{user_home}/.local/share/kinomill/a"
    assert chosen == "/data/kinomill/b"


def test_what_exists_keeps_its_mode(tmp_path):
    tmp_path.chmod(0o750)

    create(tmp_path / "a" / "b")

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == (0o711 if ROOT else 0o700)


def test_a_private_file_is_its_owner_s_only(tmp_path):
    path = Path(tmp_path / "secret")

    write_private(path, "one")
    write_private(path, "two")

    assert path.read_text() == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
