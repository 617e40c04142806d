"""Write the generated parts of the docs: `make docs`. With `--check`, only compare them."""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from api.errors.codes import codes_tables
from api.settings import ApiSettings
from cli.settings import CliSettings
from docs.log_events import events_table, fields_table
from kinomill.settings import ClientSettings
from maintenance.settings import MaintenanceSettings
from models.catalog import CARDS, MANIFESTS
from models.latentsync.settings import LatentSyncSettings
from models.settings import EncoderSettings, FaceSettings, MattingSettings, NumberFormatSettings
from models.wan.settings import WanSettings
from runtime.config.fields import default_text, variable_of
from runtime.media.formats import FORMATS, MediaKind
from runtime.metrics import api as api_metrics
from runtime.metrics import worker as worker_metrics
from runtime.settings import Settings
from weights.manifest.manifest import Pattern, WeightFile, load
from weights.settings import WeightsSettings
from weights.trust import Trust
from workers.settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic.fields import FieldInfo
    from pydantic_settings import BaseSettings

    from models.spec import Card
    from runtime.metrics.metric import Metric
    from weights.manifest.manifest import Selection

ROOT = Path(__file__).parents[1]
CHART_SCHEMA = ROOT / "deploy" / "helm" / "kinomill" / "values.schema.json"

SETTINGS_HEAD = """\
# Settings

Every program reads its settings from environment variables. Secrets may instead be files in
`/run/secrets`, named like the variables: `/run/secrets/kinomill_secret_key`. `kinomill up` fills
in what is missing and starts what is needed; the programs (`kinomill api`, `worker`,
`maintenance`) refuse to start without the variables that have no default. An empty variable
counts as unset. Durations are seconds or ISO 8601 (`PT2M`), lists are JSON (`["a", "b"]`) or
separated by commas (`a,b`), tables are JSON or `name=value,name=value`, names of choices take any
case, and `~` in a path is the home folder. A wrong value ends a program with one sentence that
names the variable and a right value; a variable `KINOMILL_…` that is not listed here is logged at
the start as a warning, with the nearest name. This page is generated from the `settings.py` files
by `make docs`.
"""


COMPOSE_TABLE = """\
## Compose files only

| variable | default | meaning |
|---|---|---|
| `KINOMILL_VERSION` | `0.1.0` | Tag of the images. |
| `KINOMILL_PORT` | `8000` | Port of the API on this machine. |
| `KINOMILL_API_MODELS` |  | `KINOMILL_MODELS` of the API; that variable itself is the worker's. |
| `KINOMILL_WORKER_MEMORY` | `8g` (`64g` with a GPU) | Memory limit of the worker. |
"""


COMPUTED = {
    "weights": "`$XDG_DATA_HOME/kinomill/weights`, else below `~/.local/share`",
    "face_cache": "`kinomill-faces` in the temporary folder",
    "number_format_cache": "`kinomill-number-formats` in the temporary folder",
    "scratch": "the temporary folder",
}
"""Defaults that depend on the machine."""


def formats_table() -> str:
    """The media formats that are taken, from the list that door and workers use."""
    rows = ["| format | image | video | audio | note |", "|---|---|---|---|---|"]
    for one in FORMATS:
        marks = ["yes" if one.usable_as(kind) else "" for kind in get_args(MediaKind)]
        rows.append(f"| {one.name} (`{one.mime}`) | {' | '.join(marks)} | {one.note} |")
    return "\n".join(rows)


def metrics_table(metrics: Iterable[Metric]) -> str:
    """The metrics of a program, from the lists by which it shows them."""
    rows = ["| metric | type | labels | of the | meaning |", "|---|---|---|---|---|"]
    for one in metrics:
        labels = ", ".join(f"`{label}`" for label in one.labels)
        rows.append(f"| `{one.name}` | {one.kind} | {labels} | {one.source} | {one.help} |")
    return "\n".join(rows)


def models_table() -> str:
    rows = [
        "| model | task | what it does | hardware | weights | license of the weights |",
        "|---|---|---|---|---|---|",
    ]
    for card in CARDS.values():
        within = ", within restrictions" if card.license.commercial == "conditional" else ""
        accepted = ", refused until accepted" if card.license.must_accept else ""
        terms = card.license.name + within + accepted
        rows.append(
            f"| `{card.name}` | {card.task} | {card.summary} | {card.hardware} | "
            f"{_pull(card)} | {terms} |"
        )
    return "\n".join(rows)


def _pull(card: Card) -> str:
    """The size of the default profile."""
    if card.weights is None:
        return "none"
    manifest = load(card.weights)
    files = [file for file in manifest.files if manifest.default_profile in file.profiles]
    known = sum(file.size_bytes or 0 for file in files)
    more = any(file.size_bytes is None for file in files) or any(
        manifest.default_profile in pattern.profiles for pattern in manifest.patterns
    )
    return f"{'over ' if more else ''}{known / 1e9:.1f} GB"


def weights_table() -> str:
    rows = [
        "| model | profile | files | bytes | license | trust |",
        "|---|---|---|---|---|---|",
    ]
    for name, path in MANIFESTS.items():
        manifest = load(path)
        for profile in manifest.profiles:
            files = [file for file in manifest.files if profile in file.profiles]
            patterns = [entry for entry in manifest.patterns if profile in entry.profiles]
            shown = f"**`{profile}`**" if profile == manifest.default_profile else f"`{profile}`"
            rows.append(
                f"| `{name}` | {shown} | {_count(files, patterns)} | "
                f"{_bytes(files)} | {_licenses([*files, *patterns])} | "
                f"{_trust(manifest.select(profile))} |"
            )
    return "\n".join(rows)


def _count(files: list[WeightFile], patterns: list[Pattern]) -> str:
    return f"{len(files)} and others by pattern" if patterns else str(len(files))


def _bytes(files: list[WeightFile]) -> str:
    known = sum(file.size_bytes or 0 for file in files)
    unknown = sum(file.size_bytes is None for file in files)
    return f"{known:,}" + (f" and {unknown} unknown" if unknown else "")


def _licenses(entries: Iterable[WeightFile | Pattern]) -> str:
    return "; ".join(dict.fromkeys(entry.license for entry in entries))


def _trust(selection: Selection) -> str:
    """The trust of the least trusted file, and what a pull needs first."""
    if selection.patterns:
        return "`models lock` first: names"
    if selection.trust is Trust.UNVERIFIED:
        moving = any(file.source.scheme == "hf" and not file.sha256 for file in selection.files)
        return "`models lock` first: a branch" if moving else "unverified"
    digests = sum(file.sha256 is None for file in selection.files)
    return f"hub, {digests} digests" if digests else "pinned"


def settings_page() -> str:
    own = set(Settings.model_fields)
    weights = set(WeightsSettings.model_fields)
    parts = [
        SETTINGS_HEAD,
        "## All programs\n\n" + _table(Settings, set()),
        "## API\n\n" + _table(ApiSettings, own),
        "## Worker\n\n" + _table(WorkerSettings, own | weights),
        "## Weights (worker, `kinomill models`)\n\n" + _table(WeightsSettings, set()),
        "## Models (worker)\n\n"
        + "\n".join(
            _table(kind, set())
            for kind in (
                *(FaceSettings, NumberFormatSettings, EncoderSettings, MattingSettings),
                *(WanSettings, LatentSyncSettings),
            )
        ),
        "## Maintenance\n\n" + _table(MaintenanceSettings, own),
        "## Command line\n\n" + _table(CliSettings, own - {"storage"}),
        "## Client (`import kinomill`, `kinomill submit` and the like)\n\n" + _client_table(),
        COMPOSE_TABLE,
    ]
    return "\n".join(parts)


def _table(settings: type[BaseSettings], without: set[str]) -> str:
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    docstrings = _attribute_docstrings(settings)
    for name, field in settings.model_fields.items():
        if name not in without:
            meaning = " ".join(docstrings.get(name, "").split())
            default = COMPUTED.get(name) or _default(field)
            rows.append(f"| `{variable_of(settings, name)}` | {default} | {meaning} |")
    return "\n".join(rows) + "\n"


def _attribute_docstrings(settings: type[BaseSettings]) -> dict[str, str]:
    """The docstring of each field. Pydantic can read them, but would do so in every program."""
    classes = [cls for cls in reversed(settings.__mro__) if cls.__module__.endswith(".settings")]
    trees = [ast.parse(inspect.getsource(cls)) for cls in classes]
    return {
        ast.unparse(field.target): ast.literal_eval(docstring.value)
        for tree in trees
        for statement in tree.body
        if isinstance(statement, ast.ClassDef)
        for field, docstring in pairwise(statement.body)
        if isinstance(field, ast.AnnAssign) and isinstance(docstring, ast.Expr)
    }


def _client_table() -> str:
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for setting in fields(ClientSettings):
        default = f"`{setting.default}`" if setting.default else ""
        rows.append(
            f"| `KINOMILL_{setting.name.upper()}` | {default} | {setting.metadata['help']} |"
        )
    return "\n".join(rows) + "\n"


def _default(field: FieldInfo) -> str:
    default = default_text(field)
    if default is None:
        return "required"
    return f"`{default}`" if default else ""


COMPOSE_HEAD = """\
# Every setting of the programs that compose.yaml starts, by name alone: Compose takes the value
# from your environment or from .env, and leaves a name without one unset. Made by `make docs`.
"""
NOT_IN_COMPOSE = {
    "DATABASE_PASSWORD", "KINOMILL_SECRET_KEY",  # files in docker/secrets
    "DATABASE_URL", "REDIS_URL", "KINOMILL_HEARTBEAT_FILE", "KINOMILL_WEIGHTS",  # of the stack
    "KINOMILL_MODELS",  # of the worker; the API has KINOMILL_API_MODELS
    "KINOMILL_STOP_GRACE",  # as stop_grace_period
    "KINOMILL_FAULT_AT",
}  # fmt: skip


S3_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION",
)  # fmt: skip


TRACES = (
    "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SDK_DISABLED", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG",
)  # fmt: skip
"""Not OTEL_SERVICE_NAME: all programs would have the same name."""


def compose_variables() -> str:
    """The env file of compose.yaml: the variables of API, worker, maintenance and models, those
    in which credentials of S3 are found, and those of traces."""
    programs = settings_page().partition("## Command line")[0]
    names = re.findall(r"^\| `([A-Z0-9_]+)` \|", programs, re.M)
    kept = sorted({*names, *S3_CREDENTIALS, *TRACES} - NOT_IN_COMPOSE)
    return COMPOSE_HEAD + "".join(f"{name}\n" for name in kept)


NAMES_HEAD = '''\
"""The variables that start with KINOMILL_, without that prefix. Generated by `make docs`."""

from __future__ import annotations

NAMES = frozenset(
    {
'''


def names_module() -> str:
    """The names of all settings, for programs that warn about a misspelled one."""
    names = sorted(re.findall(r"\| `KINOMILL_([A-Z0-9_]+)` \|", settings_page()))
    lines = "".join(f'        "{name}",\n' for name in dict.fromkeys(names))
    return f"{NAMES_HEAD}{lines}    }}\n)\n"


NOT_IN_CHART = {
    *("DATABASE_URL", "DATABASE_PASSWORD", "REDIS_URL", "KINOMILL_SECRET_KEY", "HF_TOKEN"),
    *("KINOMILL_STORAGE", "KINOMILL_PUBLIC_URL", "KINOMILL_DATABASE_POOLER", "KINOMILL_MODELS"),
    *("KINOMILL_ON_DEMAND", "KINOMILL_WEIGHTS", "KINOMILL_SCRATCH", "KINOMILL_DRAIN_WINDOW"),
    *("KINOMILL_EXIT_WHEN_IDLE", "KINOMILL_POD_NAME", "KINOMILL_HEARTBEAT_FILE"),
    *("KINOMILL_HEALTH_PORT", "KINOMILL_HEALTH_HOST", "KINOMILL_FAULT_AT"),
}
"""Secrets, and settings for which the chart has values of its own."""


def chart_schema() -> str:
    """The schema of the chart's values, with the names of all settings of the programs."""
    programs = settings_page().partition("## Command line")[0]
    names = set(re.findall(r"^\| `([A-Z0-9_]+)` \|", programs, re.M)) - NOT_IN_CHART
    names |= {"AWS_DEFAULT_REGION"}
    schema = json.loads(CHART_SCHEMA.read_text())
    setting = {"$ref": "#/definitions/setting"}
    schema["definitions"]["settings"]["properties"] = dict.fromkeys(sorted(names), setting)
    return json.dumps(schema, indent=2) + "\n"


def pages() -> dict[Path, str]:
    return {
        ROOT / "README.md": _filled(ROOT / "README.md", {"models": models_table()}),
        ROOT / "docs" / "weights.md": _filled(
            ROOT / "docs" / "weights.md", {"weights": weights_table()}
        ),
        ROOT / "docs" / "api.md": _filled(
            ROOT / "docs" / "api.md",
            {"codes": codes_tables(CARDS.values()), "formats": formats_table()},
        ),
        ROOT / "docs" / "logs.md": _filled(
            ROOT / "docs" / "logs.md",
            {"log-fields": fields_table(), "log-events": events_table()},
        ),
        ROOT / "docs" / "metrics.md": _filled(
            ROOT / "docs" / "metrics.md",
            {
                "metrics-api": metrics_table(api_metrics.METRICS),
                "metrics-worker": metrics_table(worker_metrics.METRICS),
            },
        ),
        ROOT / "docs" / "settings.md": settings_page(),
        ROOT / "runtime" / "config" / "names.py": names_module(),
        ROOT / "kinomill" / "setting_names.py": names_module(),
        ROOT / "docker" / "settings.env": compose_variables(),
        CHART_SCHEMA: chart_schema(),
    }


def _filled(page: Path, tables: dict[str, str]) -> str:
    text = page.read_text()
    for name, table in tables.items():
        block = f"<!-- {name} -->\n{table}\n<!-- /{name} -->"
        between = rf"<!-- {name} -->.*<!-- /{name} -->"
        text = re.sub(between, lambda _, block=block: block, text, flags=re.DOTALL)
    return text


def main() -> int:
    stale = [
        path for path, text in pages().items() if not path.exists() or path.read_text() != text
    ]
    if "--check" in sys.argv:
        for path in stale:
            sys.stderr.write(f"{path.relative_to(ROOT)} is stale: run `make docs`\n")
        return len(stale)
    for path in stale:
        path.write_text(pages()[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())
