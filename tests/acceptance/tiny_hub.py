"""Manifests of tiny models, whose files a fake Hub serves."""

from __future__ import annotations

from hashlib import sha256

from tests.weights.fake_hub import COMMIT


def publish(hub, folder, name, view):
    """Serve the files of a folder as `tiny/<name>`, and write `<name>.toml` beside it."""
    paths = sorted(path for path in view.rglob("*") if path.is_file())
    files = {str(path.relative_to(view)): path for path in paths}
    hub.add(f"tiny/{name}", files)
    (folder / f"{name}.toml").write_text(_manifest(name, files))


def _manifest(name, files):
    entries = [
        f'[[files]]\npath = "{path}"\nrole = "test"\n'
        f'source = "hf://tiny/{name}@{COMMIT}/{path}"\nbytes = {place.stat().st_size}\n'
        f'sha256 = "{sha256(place.read_bytes()).hexdigest()}"\nlicense = "Apache-2.0"\n'
        for path, place in files.items()
    ]
    return "\n".join([f'schema = 1\nmodel = "{name}"\n', *entries])
