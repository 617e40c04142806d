"""Manifests of weights that a test makes."""

from __future__ import annotations

from hashlib import sha256


def manifest(name, files):
    """Return a weights.toml whose sources are local files."""
    entries = [
        "\n".join(
            [
                "[[files]]",
                f'path = "{path}"',
                'role = "test"',
                f'source = "{place.as_uri()}"',
                f"bytes = {place.stat().st_size}",
                f'sha256 = "{sha256(place.read_bytes()).hexdigest()}"',
                'license = "Apache-2.0"',
            ]
        )
        for path, place in files.items()
    ]
    return "\n\n".join([f'schema = 1\nmodel = "{name}"', *entries, ""])


def weight_files(folder):
    """All files of a folder by their path in it."""
    return {
        str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()
    }
