"""The variables that chart and overlays set are settings, and their values are valid."""

from __future__ import annotations

import base64
import json
import re

import pytest

from api.settings import ApiSettings
from docs.generate import NOT_IN_CHART
from maintenance.settings import MaintenanceSettings
from models.catalog import CARDS
from tests.deploy.kubernetes import manifests as m
from workers.settings import WorkerSettings

PROGRAMS = {"api": ApiSettings, "maintenance": MaintenanceSettings, "worker": WorkerSettings}
HELPERS = {
    "POD_IP", "POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD",  # of the servers
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION",  # of Amazon's library
}  # fmt: skip
SECRETS = {
    "DATABASE_URL": "postgresql://kinomill@db:5432/kinomill",
    "REDIS_URL": "redis://redis:6379/0",
    "KINOMILL_SECRET_KEY": "0" * 64,
}


def known(part=""):
    """The variables that docs/settings.md, which is generated, lists up to this part."""
    page = (m.ROOT / "docs" / "settings.md").read_text()
    listed = page.partition(f"## {part}")[0] if part else page
    return set(re.findall(r"^\| `([A-Z0-9_]+)` \|", listed, re.M))


def objects_of(name, kind):
    return m.rendered(name) if kind == "chart" else m.built(name)


ALL = [("chart", name) for name in m.VALUES] + [("overlay", name) for name in m.OVERLAYS]


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_every_variable_is_a_setting(kind, name):
    names = {variable for variable, _ in m.variables(objects_of(name, kind))}

    assert names - HELPERS <= known()


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_each_program_starts_with_its_variables(kind, name, monkeypatch):
    objects = objects_of(name, kind)
    shared = next(one["data"] for one in objects if "settings" in m.name_of(one))
    shared.pop("KINOMILL_FETCH_CA_FILE", None)  # a file of a volume that is not here
    started = set()
    for _, pod in m.pods(objects).values():
        container = pod["containers"][0]
        settings = PROGRAMS.get(container["name"])
        if settings is None:
            continue
        own = {one["name"]: one["value"] for one in container.get("env", []) if "value" in one}
        with monkeypatch.context() as patch:
            for variable, value in (shared | own | SECRETS).items():
                patch.setenv(variable, value)
            read = settings()
        started.add(container["name"])
        models = getattr(read, "models", ())  # maintenance has none
        assert not [name for name in models if needs_acceptance(name, read.accept_licenses)]

    assert started == {*PROGRAMS}


def needs_acceptance(model, accepted):
    """Whether a worker refuses to serve a model; all models of examples are in the catalog."""
    return CARDS[model].license.must_accept and model not in accepted


def test_the_schema_refuses_a_setting_that_there_is_not_and_names_all_there_are():
    schema = json.loads((m.CHART / "values.schema.json").read_text())
    names = set(schema["definitions"]["settings"]["properties"])

    assert names <= known() | HELPERS
    assert known("Command line") - NOT_IN_CHART == names - {"AWS_DEFAULT_REGION"}


def test_the_secret_of_the_overlay_for_development_starts_the_programs(monkeypatch):
    secret = next(one for one in m.built("dev") if one["kind"] == "Secret")
    monkeypatch.setenv("KINOMILL_STORAGE", "/var/lib/kinomill/objects")
    for name, value in secret["data"].items():
        monkeypatch.setenv(name, base64.b64decode(value).decode())

    url = ApiSettings().database_url.get_secret_value()
    assert url == "postgresql://kinomill:development-only@kinomill-db:5432/kinomill"
