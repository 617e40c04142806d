"""What the docs name exists: links, files, settings, make targets, routes, commands and options."""

from __future__ import annotations

import re
from functools import cache

import typer

from api.route_table import ROUTES
from cli import serve
from cli.app import COMMANDS, typer_commands
from kinomill.cli import arguments as remote
from kinomill.cli.admin import arguments as admin
from kinomill.cli.batches import arguments as batches
from kinomill.cli.parser import Parser, function_name
from kinomill.cli.remote import CLIENT_SETS
from tests.api.build import openapi_document
from tests.structure.sources import ROOT, text, tracked

PAGES = [
    path
    for path in tracked()
    if path.suffix == ".md" and path.name != "CHANGELOG.md" and "tests" not in path.parts
]
NAMES = {str(path.relative_to(ROOT)) for path in tracked()}
FOLDERS = {str(parent) for name in NAMES for parent in (ROOT / name).relative_to(ROOT).parents}
SUFFIXES = (".py", ".toml", ".yaml", ".yml", ".sh", ".md", ".hcl", ".mako", ".ini")
PLACEHOLDER = re.compile(r"[<>*…]|\bmy_model\b|^\.")
COMMAND_LINE = re.compile(r"(?:\$ )?(?:\.venv/bin/)?kinomill ([a-z][a-z-]*\b[^`]*)")
ABSENT_ROUTES = {"/v1/deployments", "/v1/uploads", "/v1/images", "/v1/set_lora"}
"""Named by pages that list what other services have and this one has not."""


def wrong_on(page, named, exists):
    """What a page names and does not exist, with the page."""
    return [f"{page.relative_to(ROOT)}: {one}" for one in sorted(set(named)) if not exists(one)]


def spans(page):
    """The code of a page: between backticks, and lines of its code blocks."""
    content = page.read_text()
    for fence in re.findall(r"^```.*?^```", content, re.S | re.M):
        yield from fence.replace("\\\n", " ").splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", content, flags=re.S | re.M))


def anchors(page):
    """The anchors that GitHub makes of the headings."""
    for title in re.findall(r"^#+ (.+)$", page.read_text(), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title.lower()).replace("`", "")
        yield re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")


def leads_somewhere(page, link):
    name, _, anchor = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    return target.exists() and (not anchor or anchor in set(anchors(target)))


def test_each_link_leads_to_a_file_and_a_heading():
    dead = []
    for page in PAGES:
        links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
        local = [link for link in links if not re.match(r"https?:|mailto:", link)]
        dead += wrong_on(page, local, lambda link, page=page: leads_somewhere(page, link))

    assert dead == []


def is_file(page, word):
    return (page.parent / word).exists() or any(
        name == word or name.endswith(f"/{word}") for name in NAMES
    )


def test_each_file_that_is_named_exists():
    missing = []
    for page in PAGES:
        words = {word for span in spans(page) for word in re.findall(r"[\w./<>*…-]+", span)}
        ours = {
            word
            for word in words
            if word.endswith(SUFFIXES)
            and word.partition("/")[0] in FOLDERS
            and not PLACEHOLDER.search(word)
        }
        missing += wrong_on(page, ours, lambda word, page=page: is_file(page, word))

    assert missing == []


@cache
def code():
    """All tracked text that is no page."""
    return "\n".join(text(path) or "" for path in tracked() if path.suffix != ".md")


def test_each_setting_that_is_named_exists():
    missing = []
    for page in PAGES:
        named = re.findall(r"\bKINOMILL_[A-Z0-9_]*[A-Z0-9]\b", page.read_text())
        missing += wrong_on(page, named, lambda name: name in code())

    assert missing == []


def test_each_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    missing = []
    for page in PAGES:
        found = (re.match(r"(?:\$ )?make ([a-z-]+)", span) for span in spans(page))
        named = [match[1] for match in found if match]
        missing += wrong_on(page, named, targets.__contains__)

    assert missing == []


@cache
def routes():
    paths = {*openapi_document()["paths"], *(getattr(route, "path", "") for route in ROUTES)}
    return [re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(path)) + "/?") for path in paths]


def test_each_route_that_is_named_exists():
    missing = []
    for page in PAGES:
        found = re.findall(r"(?<![\w.}])/v1(?:/[\w{}$:.…*-]+)+", page.read_text())
        named = {route.rstrip(".…:") for route in found} - ABSENT_ROUTES
        missing += wrong_on(page, named, lambda path: any(r.fullmatch(path) for r in routes()))

    assert missing == []


@cache
def options():
    """Every command, as its words, with its options."""
    found = {}
    for name in [name for one in CLIENT_SETS for name in one.commands] + list(COMMANDS.commands):
        for module in (remote, admin, batches, serve):
            if add := getattr(module, f"add_{function_name(name)}", None):
                parser = Parser(name, "")
                add(parser)
                found[name,] = set(parser._option_string_actions)
    root = typer.main.get_command(typer_commands())
    found |= dict(_typer_options(root, ()))
    return found


def _typer_options(command, words):
    yield words, {text for one in command.params for text in (*one.opts, *one.secondary_opts)}
    if hasattr(command, "list_commands"):
        context = command.make_context("kinomill", [], resilient_parsing=True)
        for name in command.list_commands(context):
            yield from _typer_options(command.get_command(context, name), (*words, name))


def wrong_words(line):
    """Words of a command line after `kinomill` that are no command or no option of it."""
    first, *rest = line.split(" | ")[0].split(" #")[0].split()
    words = (first, rest[0]) if rest and (first, rest[0]) in options() else (first,)
    if words not in options():
        return [line]
    given = {word.partition("=")[0] for word in rest if re.match(r"--[a-z]", word)}
    return sorted(given - options()[words] - {"--help"})


def test_each_command_that_is_named_exists_with_its_options():
    wrong = []
    for page in PAGES:
        found = (re.match(COMMAND_LINE, span) for span in spans(page))
        lines = [match[1] for match in found if match]
        wrong += wrong_on(page, lines, lambda line: not wrong_words(line))

    assert wrong == []
