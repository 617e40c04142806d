"""The program itself: thin, and set up by nothing but its settings."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from pydantic import ValidationError

IMPORT = """
import json, sys, time
began = time.perf_counter()
import api.app
print(json.dumps({"seconds": time.perf_counter() - began, "modules": sorted(sys.modules)}))
"""
HEAVY = {"torch", "numpy", "av", "cv2", "PIL", "diffusers", "transformers", "google.cloud.storage"}


def test_the_api_imports_no_media_library_and_no_torch():
    run = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, check=True, text=True)

    seen = json.loads(run.stdout)
    print(f"import api.app took {seen['seconds']:.2f} s")  # noqa: T201 - a figure for people
    assert HEAVY.isdisjoint(seen["modules"])


def test_an_app_without_settings_reads_the_environment(monkeypatch, make_settings):
    from api.app import create_app

    settings = make_settings()
    monkeypatch.setenv("DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("REDIS_URL", settings.redis_url.get_secret_value())
    monkeypatch.setenv("FRAMEMILL_STORAGE", settings.storage)
    monkeypatch.setenv("FRAMEMILL_SECRET_KEY", "s" * 32)
    monkeypatch.setenv("FRAMEMILL_LOG_LEVEL", "CRITICAL")

    assert create_app().title == "Framemill"


@pytest.mark.parametrize(
    "changes", [{"max_json_bytes": 0}, {"link_ttl_seconds": 3601}, {"longest_wait_seconds": 301}]
)
def test_settings_out_of_bounds_are_refused(make_settings, changes):
    with pytest.raises(ValidationError):
        make_settings(**changes)


def test_secrets_are_not_shown(make_settings):
    settings = make_settings()

    for secret in (settings.database_url, settings.redis_url, settings.secret_key):
        assert secret.get_secret_value() not in repr(settings)
