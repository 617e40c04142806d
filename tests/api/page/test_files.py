"""The files that pages load: whose they are, how they are cached, what they weigh."""

from __future__ import annotations

import gzip
import hashlib
import re
import tomllib
from pathlib import Path

from api.page import assets

VENDOR = assets.FOLDER / "vendor"
AXE = Path(__file__).parents[2] / "browser" / "vendor" / "axe.min.js"
FIRST_PAINT_BYTES = 100_000
DYNAMIC = {"task", "status", "phase", "phase_state", "weights", "commercial", "priority", "field",
           "nav", "time", "workers", "batch", "outcome", "submit"}  # fmt: skip
"""Sections whose keys are words of the API."""


def test_vendored_files_are_those_of_their_packages():
    packages = tomllib.loads((VENDOR / "vendored.toml").read_text())
    digests = {
        name: digest
        for package in packages.values()
        for name, digest in package.items()
        if name.endswith((".js", ".css"))
    }
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.iterdir()
        if path.suffix in {".js", ".css"}
    }

    assert found == digests
    assert hashlib.sha256(AXE.read_bytes()).hexdigest().startswith("29348999450c")  # 4.14.1


def test_the_first_paint_of_each_page_stays_below_100_kilobytes(client):
    for path in ("/", "/jobs", "/models", "/workers"):
        page = client.get(path, headers={"Accept-Encoding": "identity"}).text
        names = re.findall(r'(?:href|src)="/static/\w+/([^"]+)"', page)
        sizes = [len(assets.find(name).zipped or assets.find(name).content) for name in names]

        assert len(gzip.compress(page.encode())) + sum(sizes) < FIRST_PAINT_BYTES, path


def test_a_file_of_the_current_version_is_kept_for_ever(client):
    current = client.get(f"/static/{assets.version()}/page.css")
    old = client.get("/static/0123/page.css")

    assert "immutable" in current.headers["cache-control"]
    assert "immutable" not in old.headers["cache-control"]
    assert current.content == old.content


def test_only_files_of_the_folder_are_sent(client):
    for name in ("../assets.py", "%2e%2e/assets.py", "none.css", ""):
        assert client.get(f"/static/x/{name}").status_code == 404


def test_every_text_of_the_catalog_is_used_and_none_is_missing():
    from api.page import texts

    folder = assets.FOLDER.parent
    code = "".join(
        path.read_text()
        for path in [
            *folder.rglob("*.html"),
            *folder.glob("static/*.js"),
            *folder.rglob("*.py"),
        ]
    )
    for section, entries in texts.catalog().items():
        for name in entries if section not in DYNAMIC else ():
            key = name if section == "script" else f"{section}.{name}"
            assert f'"{key}"' in code or f"'{key}'" in code, f"{section}.{name}"
