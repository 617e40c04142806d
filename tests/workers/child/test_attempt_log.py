"""The log of an attempt is bounded, and shows no secret, no address and nothing people wrote."""

from __future__ import annotations

import json

import pytest

from runtime.logs.redaction import Redactor
from workers.child import attempt_log
from workers.child.attempt_log import MAX_BYTES, MAX_LINES, AttemptLog

PROMPT = "a red fox runs"


def lines(log):
    return log.kept().lines


def shown(event, fields=None, **job_input):
    log = AttemptLog(job_input)
    log.add("info", event, fields or {})
    return json.dumps(lines(log))


def test_lines_have_their_time_level_event_and_fields():
    log = AttemptLog({})

    log.collect("exception", {"event": "it failed", "code": "a", "seconds": 1.23456, "job": "x"})

    [line] = lines(log)
    assert line["at"].endswith("+00:00")
    assert (line["level"], line["event"]) == ("error", "it failed")
    assert line["fields"] == {"code": "a", "seconds": 1.235}


def test_lines_for_debugging_are_left_out():
    log = AttemptLog({})

    log.collect("debug", {"event": "x"})

    assert lines(log) == ()


@pytest.mark.parametrize(
    "secret",
    [
        "km_0123456789abcdef",
        "hf_abcdefghij",
        "Authorization: Bearer abc.def",
        "https://bucket.example.com/a/b?X-Goog-Signature=abcdef",
        "https://user:password@example.com/abcdef",
        "s3://bucket/abcdef",
        "data:image/png;base64,abcdef",
        "AKIA0123456789ABCDEF",
        "eyJhbGciOi0123456789.abcdef.abcdef",
        "passphrase=abcdef",
        '{"api_key": "abcdef"}',
        "gs://bucket/abcdef",
    ],
)
def test_secrets_and_addresses_are_hidden(secret):
    for text in (shown(f"see {secret} there"), shown("x", {"url": secret})):
        for part in ("0123456789", "abc", "password"):
            assert part not in text


def test_the_host_of_an_address_is_shown():
    assert "https://bucket.example.com/" in shown("from https://bucket.example.com/a?b=c")


def test_values_of_settings_and_of_secret_names_are_hidden(monkeypatch):
    monkeypatch.setattr(attempt_log, "REDACTOR", Redactor())
    attempt_log.REDACTOR.protect(["plain but secret"])

    text = shown("it is plain but secret", {"token": "fox", "kept": "hare"})

    assert "plain" not in text
    assert "fox" not in text
    assert "hare" in text


def test_a_text_of_the_input_is_hidden_in_the_quotes_of_python():
    assert "second" not in shown(repr("first\nsecond"), prompt="first\nsecond")


def test_texts_of_the_input_are_hidden_wherever_they_stand():
    job_input = {"prompt": PROMPT, "people": [{"note": "another secret"}], "fps": 25}

    text = shown(f"for {PROMPT}", {"a": f"'{PROMPT}'", "b": "another secret"}, **job_input)

    assert "fox" not in text
    assert "another" not in text


@pytest.mark.parametrize("value", [b"bytes", ["a"], {"a": 1}, object()])
def test_values_that_are_not_single_are_left_out(value):
    log = AttemptLog({})

    log.add("info", "x", {"value": value, "kept": 1})

    assert lines(log)[0]["fields"] == {"kept": 1}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, -(10**20)], ids="abcd")
def test_numbers_that_cannot_be_stored_are_null(value):
    log = AttemptLog({})

    log.add("info", "x", {"value": value})

    assert lines(log)[0]["fields"] == {"value": None}


def test_of_an_exception_its_type_is_shown():
    log = AttemptLog({})

    log.add("error", "x", {"exc_info": ValueError("a secret")})

    assert lines(log)[0]["fields"] == {"error_type": "ValueError"}


def test_the_oldest_lines_are_dropped():
    log = AttemptLog({})

    for number in range(MAX_LINES + 5):
        log.add("info", f"line {number}", {})

    kept = log.kept()
    assert (kept.dropped, len(kept.lines)) == (5, MAX_LINES)
    assert kept.lines[0]["event"] == "line 5"


def test_long_lines_are_cut_and_bounded_together():
    log = AttemptLog({})

    for _ in range(MAX_LINES):
        log.add("info", "x" * 10_000, {f"field {n}": "y" * 10_000 for n in range(50)})

    kept = log.kept()
    assert kept.dropped + len(kept.lines) == MAX_LINES
    assert sum(len(json.dumps(line)) for line in kept.lines) <= MAX_BYTES


def test_what_postgresql_cannot_store_is_replaced():
    text = shown("a\0b", {"c\0": "\ud800"})

    assert "\\u0000" not in text
    assert "ud800" not in text


def test_changes_are_taken_once():
    log = AttemptLog({})
    log.add("info", "x", {})

    assert len(log.take_changes().lines) == 1
    assert log.take_changes() is None
    assert len(log.kept().lines) == 1
