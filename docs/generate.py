"""Write the parts of the docs that the code knows better: `make docs`; `--check` only compares."""

from __future__ import annotations

import json
import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import AliasChoices
from pydantic_core import PydanticUndefined, to_jsonable_python

from api.settings import ApiSettings
from cli.settings import CliSettings
from housekeeper.settings import HousekeeperSettings
from jobs.settings import Settings
from models.catalog import CARDS
from workers.settings import WorkerSettings

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_settings import BaseSettings

ROOT = Path(__file__).parents[1]

SETTINGS_HEAD = """\
# Settings

Every program is set up by its environment, and by nothing else. This page is made by `make docs`
from the `settings.py` files. `framemill up` makes up what is missing and starts what is needed;
the single programs (`framemill api`, `worker`, `housekeeper`) refuse to start without the
variables that have no default. Times are seconds or ISO 8601 durations, lists are JSON.
"""


def models_table() -> str:
    rows = ["| model | task | needs | license of the weights |", "|---|---|---|---|"]
    for card in CARDS.values():
        terms = card.license.name + ("" if card.license.commercial else ", refused until accepted")
        rows.append(f"| `{card.name}` | {card.task}. {card.summary} | {card.needs} | {terms} |")
    return "\n".join(rows)


def settings_page() -> str:
    own = set(Settings.model_fields)
    parts = [
        SETTINGS_HEAD,
        "## All programs\n\n" + _table(Settings, set()),
        "## API\n\n" + _table(ApiSettings, own),
        "## Worker\n\n" + _table(WorkerSettings, own),
        "## Housekeeper\n\n" + _table(HousekeeperSettings, own),
        "## Command line\n\n" + _table(CliSettings, own - {"storage"}),
    ]
    return "\n".join(parts)


def _table(settings: type[BaseSettings], without: set[str]) -> str:
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in settings.model_fields.items():
        if name not in without:
            meaning = " ".join((field.description or "").split())
            rows.append(f"| `{_variable(name, field)}` | {_default(field)} | {meaning} |")
    return "\n".join(rows) + "\n"


def _variable(name: str, field: FieldInfo) -> str:
    if isinstance(field.validation_alias, AliasChoices):
        return str(field.validation_alias.choices[0])
    return f"FRAMEMILL_{name.upper()}"


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if field.default is None:
        return ""
    if isinstance(field.default, timedelta):
        return f"{field.default.total_seconds():g}"
    value = to_jsonable_python(field.default)
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def pages() -> dict[Path, str]:
    readme = ROOT / "README.md"
    block = f"<!-- models -->\n{models_table()}\n<!-- /models -->"
    text = re.sub(r"<!-- models -->.*<!-- /models -->", block, readme.read_text(), flags=re.S)
    return {readme: text, ROOT / "docs" / "settings.md": settings_page()}


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
