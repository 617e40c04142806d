"""The page that explains each error code; the `type` of a problem links to it."""

from html import escape

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.context.deps import ContextDep
from api.errors.codes import ExplainedCode, codes_by_topic
from api.errors.problems import DOCS_PATH
from api.page import assets

router = APIRouter(include_in_schema=False)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Kinomill error codes</title>
<meta name="color-scheme" content="light dark">
<link rel="icon" href="{asset}/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{asset}/page.css">
</head>
<body>
<main class="codes">
<h1>Error codes</h1>
<p class="lead">Each error response, and the <code>error</code> of a failed job, has one of these
codes.</p>
{sections}
</main>
</body>
</html>
"""

_SECTION = """<h3 id="{code}">{code}</h3>
<p>{meaning}</p>
<p>Status: {statuses}. Retryable: {retryable}.</p>
"""


@router.get(DOCS_PATH, response_class=HTMLResponse)
def error_docs(request: Request, context: ContextDep) -> HTMLResponse:
    """Explain each error code of this server and its models."""
    topics = codes_by_topic(context.models.cards.values())
    sections = [
        part
        for topic, codes in topics.items()
        if codes
        for part in (f"<h2>{topic}</h2>", *map(_section, codes))
    ]
    asset = f"{request.scope.get('root_path', '')}{assets.PATH}/{assets.version()}"
    return HTMLResponse(_PAGE.format(sections="\n".join(sections), asset=asset))


def _section(code: ExplainedCode) -> str:
    return _SECTION.format(
        code=code.code,
        meaning=escape(code.meaning),
        statuses=code.statuses_text,
        retryable=code.retryable_text,
    )
