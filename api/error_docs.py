"""The page that explains each error code; the `type` of a problem links to it."""

from html import escape

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from api.context.deps import ContextDep
from api.errors.codes import ExplainedCode, explained_codes
from api.errors.problems import DOCS_PATH

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
def error_docs(context: ContextDep) -> HTMLResponse:
    """Explain each error code of this server and its models."""
    sections = map(_section, explained_codes(context.models.cards.values()))
    return HTMLResponse(_PAGE.format(sections="\n".join(sections)))


def _section(code: ExplainedCode) -> str:
    return _SECTION.format(
        code=code.code,
        meaning=escape(code.meaning),
        statuses=code.statuses_text,
        retryable=code.retryable_text,
    )
