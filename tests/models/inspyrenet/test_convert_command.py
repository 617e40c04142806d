"""`kinomill models convert inspyrenet` writes the base size into the file."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from models.inspyrenet.checkpoint import load, stated_base_size


def test_a_checkpoint_of_ones_own_is_converted_with_its_base_size(published, tmp_path):
    target = tmp_path / "own.safetensors"
    command = ["models", "convert", "inspyrenet", published, target]
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *command, "--half", "--base-size", "64x96", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )

    report = json.loads(done.stdout)
    assert (report["name"], report["dtype"]) == ("inspyrenet", "fp16")
    assert report["target"]["bytes"] == pytest.approx(181.7e6, rel=0.002)
    assert stated_base_size(target) == (64, 96)
    assert load(target, (64, 96)).base_size == (64, 96)
