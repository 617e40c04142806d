"""A model without weights: nothing to do, in one sentence, with exit code 0."""

from __future__ import annotations

import pytest

from tests.api.conftest import make_settings, server, store
from tests.cli.models.test_pull import FILES

__all__ = ["make_settings", "server", "store"]

MODEL = "preview-lipsync"
NOTHING = f"{MODEL} needs no weights: there is nothing to do\n"


@pytest.mark.parametrize(
    "words",
    [
        ("pull", MODEL), ("pull", MODEL, "--dry-run"), ("verify", MODEL), ("lock", MODEL),
        ("lock", MODEL, "--in-place"), ("show", MODEL), ("push", MODEL, "file:///nowhere"),
    ],
)  # fmt: skip
def test_there_is_nothing_to_do(models, words):
    result = models(*words)

    assert (result.code, result.err) == (0, NOTHING)
    assert "Traceback" not in result.out
    as_json = models(*words, "--json")
    assert (as_json.code, as_json.err) == (0, NOTHING)
    assert isinstance(as_json.json, dict)


def test_other_models_of_the_same_call_are_verified(models):
    manifest = models.manifest(FILES)
    models("pull", manifest)

    result = models("verify", MODEL, manifest)

    assert (result.code, result.err.startswith(NOTHING)) == (0, True)
    assert result.out == "tiny (default): all files are correct\n"


def test_a_prefetch_of_it_is_no_failure(models, server):
    result = models("prefetch", MODEL, KINOMILL_URL=server)

    assert result.code == 0
    assert "no weights" in result.err
