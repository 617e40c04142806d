"""Each error code is explained once, has its statuses, and an anchor on the page of codes."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from api.errors.codes import codes_by_topic, codes_tables, explained_codes
from api.errors.statuses import STATUSES
from api.errors.topics import MODELS
from jobs.errors import ErrorCode
from models import catalog
from tests.api.build import problem

ROOT = Path(__file__).parents[2]
CODES = explained_codes(catalog.CARDS.values())


def test_every_code_is_explained_in_whole_sentences():
    assert [each.code for each in CODES if not each.meaning.endswith(".")] == []
    assert [each.code for each in CODES if "  " in each.meaning] == []


def test_every_code_of_the_server_has_an_entry_in_the_table_of_statuses():
    assert set(STATUSES) == set(ErrorCode)


def test_no_code_and_no_explanation_occurs_twice():
    codes = Counter(each.code for each in CODES)
    meanings = Counter(each.meaning for each in CODES)

    assert [code for code, count in codes.items() if count > 1] == []
    assert [meaning for meaning, count in meanings.items() if count > 1] == []


def test_each_code_has_one_topic():
    topics = codes_by_topic(catalog.CARDS.values())
    listed = Counter(each.code for codes in topics.values() for each in codes)

    assert listed == Counter(each.code for each in CODES)
    models = {each.code for each in topics[MODELS]}
    assert models == set(catalog.error_codes(catalog.CARDS.values()))
    assert not models & set(ErrorCode)


def test_the_docs_list_each_code_once_under_its_topic():
    text = (ROOT / "docs" / "api.md").read_text()

    for topic, codes in codes_by_topic(catalog.CARDS.values()).items():
        section = text.partition(f"### {topic}\n")[2].partition("\n#")[0]
        assert re.findall(r"^\| `(\w+)` ", section, re.M) == [each.code for each in codes]


def test_codes_of_models_are_among_those_of_the_server():
    assert {"no_face", "unknown_lora", "weights_invalid"} <= {each.code for each in CODES}


def test_the_page_of_codes_has_an_anchor_for_each(client):
    page = client.get("/docs/errors")

    assert page.headers["content-type"].startswith("text/html")
    assert [each.code for each in CODES if f'id="{each.code}"' not in page.text] == []


def test_the_type_of_a_problem_leads_to_its_explanation(client):
    path, _, anchor = problem(client.get("/nowhere"), 404, "not_found")["type"].partition("#")

    assert f'id="{anchor}"' in client.get(path).text


def test_the_table_for_the_docs_names_status_and_retryability():
    rows = codes_tables(catalog.CARDS.values()).splitlines()

    assert any(row.startswith("| `unknown_model` | 422, 404 | no |") for row in rows)
    assert any(row.startswith("| `stalled` | failed jobs only | yes |") for row in rows)


def test_the_document_lists_the_codes_of_failed_jobs(client):
    schemas = client.get("/openapi.json").json()["components"]["schemas"]

    assert schemas["JobFailure"]["properties"]["code"]["enum"] == [each.code for each in CODES]
