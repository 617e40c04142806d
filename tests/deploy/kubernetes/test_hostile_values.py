"""Texts in values that YAML or Helm could take for more than texts."""

from __future__ import annotations

import copy
from functools import cache
from itertools import chain

import pytest
import yaml

from tests.deploy.kubernetes import manifests as m

HOSTILE = {
    "a newline and a document": "a\n---\nkind: Pod",
    "quotes, a template and a comment": "\"'}]\\: {{ .Release.Name }} #",
    "a truth": "true",
    "a number": "0123",
}
FREE = ("annotations", "podAnnotations", "podLabels", "nodeSelector", "labels")
"""Maps whose names are the caller's."""


@cache
def _text(name):
    """All values: the chart's own with those of a file over them, as text."""
    defaults = yaml.safe_load((m.CHART / "values.yaml").read_text())
    return yaml.safe_dump(_merged(defaults, m.values_of(name)))


def values(name):
    return yaml.safe_load(_text(name))


def _merged(below, above):
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: _merged(below.get(key), value) for key, value in above.items()}


def leaves(value, path=()):
    """The place of each text, and one of each map whose names are free."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        if path and path[-1] in FREE:
            yield (*path, "example.com/name"), "value"
        for key, one in value.items():
            yield from leaves(one, (*path, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from leaves(one, (*path, index))


def put(values, path, text):
    changed = copy.deepcopy(values)
    target = changed
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = text
    return changed


def shape(value, text):
    """The types of a value below their names; the text may be a name, as that of a resource is."""
    if isinstance(value, dict):
        return sorted(("*" if key == text else key, shape(one, text)) for key, one in value.items())
    if isinstance(value, list):
        return [shape(one, text) for one in value]
    return type(value).__name__


@pytest.fixture(scope="module")
def rendered():
    """What the chart makes of values with a text in one place. None: it refuses them."""
    from helm_python import Chart, HelmError

    with Chart.load(str(m.CHART)) as chart:

        def render(given, path, text):
            values = put(given, path, text)
            try:
                texts = chart.render(values, name=m.RELEASE, namespace=m.NAMESPACE)
            except HelmError:
                return None
            objects = [m.load(one) for name, one in texts.items() if not name.endswith(".txt")]
            return sorted(repr(shape(one, text)) for one in chain.from_iterable(objects))

        yield render


def usual(rendered, given, path, original):
    """The shapes of the first harmless text that the chart accepts at a place."""
    for text in ("harmless", "gs://harmless", "https://harmless", "/harmless", original):
        found = rendered(given, path, text)
        if found is not None:
            return found
    raise AssertionError(path)


@pytest.mark.parametrize("name", ["gke-l4", "no-keda"])
def test_a_text_stays_a_text_or_is_refused(rendered, name):
    given = values(name)
    wrong = []
    for path, original in leaves(given):
        expected = usual(rendered, given, path, original)
        for what, text in HOSTILE.items():
            if rendered(given, path, text) not in (None, expected):
                wrong.append((path, what))

    assert wrong == []
