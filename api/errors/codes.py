"""All error codes with their explanations: those of the server and those of its models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.errors.statuses import STATUSES
from api.errors.topics import MODELS, TOPICS
from jobs.errors import ErrorCode
from models import catalog

if TYPE_CHECKING:
    from collections.abc import Iterable
    from http import HTTPStatus

    from models.spec import Card


@dataclass(frozen=True)
class ExplainedCode:
    """What a page or a table shows of an error code."""

    code: str
    meaning: str
    statuses: tuple[HTTPStatus, ...] = ()
    """HTTP statuses of responses with this code; none for one that only failed jobs have."""
    retryable: bool | None = False

    @property
    def statuses_text(self) -> str:
        """The statuses, e.g. "422, 404"."""
        return ", ".join(f"{status:d}" for status in self.statuses) or "failed jobs only"

    @property
    def retryable_text(self) -> str:
        """Whether the same request or job may succeed later."""
        return {True: "yes", False: "no", None: "sometimes"}[self.retryable]


def explained_codes(cards: Iterable[Card]) -> list[ExplainedCode]:
    """All codes that a server with these models can respond with or store in a failed job."""
    server = [
        ExplainedCode(code.value, code.meaning, STATUSES[code], code.retryable)
        for code in ErrorCode
    ]
    models = [ExplainedCode(*item) for item in catalog.error_codes(cards).items()]
    return server + models


def codes_by_topic(cards: Iterable[Card]) -> dict[str, list[ExplainedCode]]:
    """All codes, each under one topic."""
    explained = {one.code: one for one in explained_codes(cards)}
    server = {topic: [explained.pop(code) for code in codes] for topic, codes in TOPICS.items()}
    return server | {MODELS: list(explained.values())}


def codes_tables(cards: Iterable[Card]) -> str:
    """All codes as Markdown, a table for each topic, for docs/api.md."""
    return "\n\n".join(
        "\n".join([f"### {topic}", "", *_TABLE, *map(_row, codes)])
        for topic, codes in codes_by_topic(cards).items()
    )


_TABLE = ("| code | status | retryable | meaning |", "|---|---|---|---|")


def _row(one: ExplainedCode) -> str:
    return f"| `{one.code}` | {one.statuses_text} | {one.retryable_text} | {one.meaning} |"
