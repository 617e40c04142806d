"""The page that explains each error code; the `type` of a problem links to it."""

from __future__ import annotations

from functools import cache
from html import escape

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from api.errors.problems import DOCS_PATH
from api.errors.statuses import STATUSES
from jobs.errors import ErrorCode

router = APIRouter(include_in_schema=False)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Kinomill error codes</title>
<style>
body {{ font: 16px/1.5 sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem; }}
h2 {{ font: bold 1.1rem monospace; margin: 2rem 0 0; }}
:target {{ background: #ffd; }}
p {{ margin: .2rem 0; }}
</style>
</head>
<body>
<h1>Error codes</h1>
<p>Each error response, and the <code>error</code> of a failed job, has one of these codes.</p>
{sections}
</body>
</html>
"""

_SECTION = """<h2 id="{code}">{code}</h2>
<p>{meaning}</p>
<p>Status: {statuses}. Retryable: {retryable}.</p>
"""


@router.get(DOCS_PATH, response_class=HTMLResponse)
def error_docs() -> HTMLResponse:
    """Explain each error code."""
    return HTMLResponse(_page())


def statuses_text(code: ErrorCode) -> str:
    """The statuses of a code, e.g. "422, 404"."""
    return ", ".join(f"{status:d}" for status in STATUSES[code]) or "none (failed jobs only)"


def retryable_text(code: ErrorCode) -> str:
    """Whether a request or job with this code may succeed later: yes, no or sometimes."""
    return {True: "yes", False: "no", None: "sometimes (see `retryable`)"}[code.retryable]


@cache
def _page() -> str:
    return _PAGE.format(sections="\n".join(_section(code) for code in ErrorCode))


def _section(code: ErrorCode) -> str:
    return _SECTION.format(
        code=code,
        meaning=escape(code.meaning),
        statuses=statuses_text(code),
        retryable=retryable_text(code),
    )
