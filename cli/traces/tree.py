"""One trace as a tree for a terminal: each span with its begin and its milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from rich.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cli.traces.collector import ReceivedSpan

_COLOURS = {"kinomill-api": "cyan", "kinomill-worker": "green", "kinomill-maintenance": "magenta"}


def trace_tree(spans: Sequence[ReceivedSpan]) -> Tree:
    """The spans below those that they are a part of; those of unknown ones come first."""
    ids = {span.id for span in spans}
    begin = min(span.begin_ns for span in spans)
    tree = Tree(f"trace {spans[0].trace_id}")
    for span in spans:
        if span.parent_id not in ids:
            _add(tree, span, spans, begin)
    return tree


def _add(tree: Tree, span: ReceivedSpan, spans: Sequence[ReceivedSpan], begin: int) -> None:
    branch = tree.add(_line(span, begin))
    for child in spans:
        if child.parent_id == span.id:
            _add(branch, child, spans, begin)


def _line(span: ReceivedSpan, begin: int) -> Text:
    line = Text(span.name, style="bold red" if span.failed else "bold")
    line.append(f"  {span.milliseconds:,.1f} ms", style="yellow")
    line.append(f"  from {(span.begin_ns - begin) / 1e6:,.1f} ms", style="dim")
    line.append(f"  {span.service}", style=_COLOURS.get(span.service, ""))
    return line
