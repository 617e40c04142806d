"""The app itself: few imports, configured only by its settings."""

from __future__ import annotations

import ast
import asyncio
import json
import subprocess
import sys
from dataclasses import replace

import pytest
from pydantic import ValidationError

from api.app import create_app
from api.context.app_context import AppContext
from storage.web.url_policy import UrlPolicy
from tests.api import heavy
from tests.api.serving import restored_logging
from weights.errors import ManifestInvalid

IMPORT = """
import json, sys, time
began = time.perf_counter()
import api.app, api.route_table
print(json.dumps({"seconds": time.perf_counter() - began, "modules": sorted(sys.modules)}))
"""
START = """
import sys
from api.__main__ import quick_imports
with quick_imports():
    from api.connections.limits import ConnectionLimits
    from api.server import serve
    from api.app import create_app
print(sorted({name.partition(".")[0] for name in sys.modules}))
"""
UNUSED = {"rich", "pygments", "attr", "greenlet", "httpcore", "h2", "celery", "jinja2"}
"""What libraries would import, or only some requests need: 12 MB."""
HEAVY = {
    "torch", "numpy", "av", "cv2", "PIL", "diffusers", "transformers", "google.cloud.storage",
    "huggingface_hub",
}  # fmt: skip


def test_the_program_imports_nothing_that_its_first_requests_do_not_need():
    run = subprocess.run([sys.executable, "-c", START], capture_output=True, check=True, text=True)

    assert UNUSED & set(ast.literal_eval(run.stdout)) == set()


def test_the_api_imports_no_media_library_and_no_torch():
    run = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, check=True, text=True)

    seen = json.loads(run.stdout)
    print(f"import of the whole API took {seen['seconds']:.2f} s")  # noqa: T201 - a figure for people
    assert HEAVY.isdisjoint(seen["modules"])


def test_an_app_without_settings_reads_the_environment(monkeypatch, make_settings):
    settings = make_settings()
    monkeypatch.setenv("DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("REDIS_URL", settings.redis_url.get_secret_value())
    monkeypatch.setenv("KINOMILL_STORAGE", settings.storage)
    monkeypatch.setenv("KINOMILL_SECRET_KEY", "s" * 32)
    monkeypatch.setenv("KINOMILL_LOG_LEVEL", "CRITICAL")

    with restored_logging():
        assert create_app().title == "Kinomill"


def test_an_invalid_manifest_fails_the_start_and_is_named(make_settings, tmp_path, monkeypatch):
    path = tmp_path / "weights.toml"
    path.write_text('schema = 1\nmodel = "bad"\nfiles = [{path = "../x"}]\n')
    monkeypatch.setitem(vars(heavy), "BROKEN", replace(heavy.CARD, weights=path))

    with restored_logging(), pytest.raises(ManifestInvalid, match=str(path)):
        create_app(make_settings(models=["tests.api.heavy:BROKEN"]))


def test_the_url_policy_comes_from_the_settings(make_settings):
    context = AppContext.open(make_settings(fetch_allow_http=True, max_image_bytes=7))
    asyncio.run(context.close())

    assert context.url_policy == UrlPolicy(
        allow_http=True, image_bytes=7, audio_bytes=50_000_000, video_bytes=200_000_000
    )


def test_a_body_may_hold_the_largest_file_that_is_allowed(make_settings):
    assert make_settings().body_limit_bytes == 292_000_000
    assert make_settings(max_video_bytes=2_000_000_000).body_limit_bytes == 2_092_000_000
    assert make_settings(max_json_bytes=400_000_000).body_limit_bytes == 400_000_000
    assert make_settings(max_body_bytes=50_000_000).body_limit_bytes == 50_000_000


def test_a_download_may_take_longer_if_files_may_be_larger(make_settings):
    settings = make_settings(max_video_bytes=2_000_000_000)

    assert UrlPolicy.from_settings(settings).total_seconds == 500


@pytest.mark.parametrize(
    "changes", [{"max_json_bytes": 0}, {"link_ttl_seconds": 3601}, {"longest_wait_seconds": 301}]
)
def test_settings_out_of_bounds_are_rejected(make_settings, changes):
    with pytest.raises(ValidationError):
        make_settings(**changes)


def test_secrets_are_not_shown(make_settings):
    settings = make_settings()

    for secret in (settings.database_url, settings.redis_url, settings.secret_key):
        assert secret.get_secret_value() not in repr(settings)
