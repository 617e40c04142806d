"""Files of manifests and volumes that hold them, for tests."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests import small_disk
from weights.manifest.manifest import Selection, WeightFile
from weights.volume.volume import Volume

ROOT = Path(__file__).parents[2]
COMMIT = "c0ffee" + "0" * 34


def digest(content):
    return hashlib.sha256(content).hexdigest()


def weight_file(content, path="model.safetensors", *, source=None, known=True):
    return WeightFile.model_validate(
        {
            "path": path,
            "role": "test",
            "source": source or f"hf://owner/name@{COMMIT}/{path}",
            "bytes": len(content) if known else "unknown",
            "sha256": digest(content) if known else "unknown",
            "license": "Apache-2.0",
        }
    )


def selection_of(*files, profile="default"):
    return Selection(model="tiny", profile=profile, files=files)


def opened(root, **options):
    volume = Volume(root, **options)
    volume.open()
    return volume


def put(volume, file, content):
    partial = volume.partial(file)
    partial.write_bytes(content)
    return volume.admit(file, partial, sha256=digest(content))


def published(volume, contents):
    """Return a selection of pinned files that are complete on the volume."""
    files = [weight_file(content, path) for path, content in contents.items()]
    for file in files:
        put(volume, file, contents[file.path])
    selection = selection_of(*files)
    volume.publish(selection)
    return selection


def overwrite(path, content):
    """Change a read-only file in place, as a failing disk would."""
    path.chmod(0o644)
    path.write_bytes(content)


def run_on_small_disk(code, *, size="8m"):
    """Run Python with an empty file system of that size mounted at the folder `disk`."""
    return small_disk.run("from tests.weights.volume_helpers import *\n" + code, size=size)
