"""Worker settings: sizes with units, and on-demand models that it serves."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.workers.conftest import SECRET
from workers.settings import WorkerSettings

NEEDED = {
    "database_url": "postgresql://unused",
    "redis_url": "redis://unused",
    "storage": "unused",
    "secret_key": SECRET,
}


def test_model_memory_accepts_units():
    assert WorkerSettings(**NEEDED, model_memory="24GB").model_memory == 24_000_000_000
    assert WorkerSettings(**NEEDED, model_memory="7 GiB").model_memory == 7 * 1024**3
    assert WorkerSettings(**NEEDED).model_memory is None


def test_a_model_on_demand_must_be_one_of_the_models():
    with pytest.raises(ValidationError, match="on_demand names 'wav2lip'"):
        WorkerSettings(**NEEDED, on_demand=("wav2lip",))


def test_a_worker_reads_the_settings_of_the_weights_volume(monkeypatch):
    monkeypatch.setenv("KINOMILL_WEIGHTS", "/volume")
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.test")

    settings = WorkerSettings(**NEEDED)

    assert (str(settings.weights), settings.hf_endpoint) == ("/volume", "http://hub.test")


@pytest.mark.parametrize("seconds", [-1, float("inf"), "often"])
def test_preview_seconds_is_a_finite_number_or_zero(seconds):
    assert WorkerSettings(**NEEDED).preview_seconds == 2
    assert WorkerSettings(**NEEDED, preview_seconds=0).preview_seconds == 0
    with pytest.raises(ValidationError):
        WorkerSettings(**NEEDED, preview_seconds=seconds)
