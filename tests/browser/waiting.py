"""Waits for what a page shows."""

from __future__ import annotations

from tests.waiting import until

_WATCH = """() => {
  window.phases = [];
  const look = () => {
    const active = document.querySelector(".timeline .active");
    const name = active?.dataset.phase;
    if (name && window.phases.at(-1) !== name) window.phases.push(name);
  };
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
  look();
}"""


def watch_phases(page):
    page.evaluate(_WATCH)


def phases_seen(page):
    return page.evaluate("window.phases")


def holds(page, expression, seconds=15):
    """Wait until an expression is true; the policy of our pages forbids Playwright's own wait."""
    until(lambda: page.evaluate(expression), seconds=seconds, what=expression)
