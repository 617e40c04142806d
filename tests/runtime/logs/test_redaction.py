"""What must not be in the logs is not, whoever writes it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from runtime.logs.redaction import MAX_TEXT, Redactor
from runtime.settings import DatabaseSettings, Settings, secret_values

ROOT = Path(__file__).parents[3]

KEY = "km_" + "a1" * 20
PROMPT = 'A woman says: "It\'s late"\nand leaves'


def shown(redactor, **event):
    return redactor(None, "info", event)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (f"key {KEY} refused", "key *** refused"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("GET https://cdn.example/a/b.jpg?sig=1 failed", "GET https://cdn.example/… failed"),
        ("to redis://:word@db:6379/0", "to redis://db:6379/…"),
        ("to redis://[::1]:6379/0", "to redis://[::1]:6379/…"),
        ("postgresql+psycopg://me:pw@db/x", "postgresql+psycopg://db/…"),
        ("no object s3://bucket/results/job_x.mp4", "no object s3://bucket/results/job_x.mp4"),
        ("s3://bucket/a?X-Amz-Signature=1", "s3://bucket/…"),
        ("image data:image/png;base64,AAAA", "image ***"),
        (
            "violates\nDETAIL:  Failing row contains (job_x, a prompt\nof two lines).\n[SQL: x]",
            "violates\nDETAIL: …\n[SQL: x]",
        ),
        ("nothing: to hide", "nothing: to hide"),
    ],
)
def test_keys_links_and_quoted_rows_are_left_out(text, cleaned):
    assert Redactor().clean(text) == cleaned


SIGNED = "https://b.example/v.mp4"
LEAKS = [
    f"{SIGNED}?X-Amz-Credential=PLANTED%2F20261129&X-Amz-Signature=PLANTED",
    f"{SIGNED}?se=2026-11-29&sp=r&PLANTED",
    "GET /v1/files/a?odd-name=PLANTED failed",
    "/objects/a.mp4?Expires=1&Policy=PLANTED&Key-Pair-Id=PLANTED",
    "next=https%3A%2F%2Fb.example%2Fv.mp4%3Fsv%3DPLANTED",
    "https://me:PLANTED@b.example/x",
    "HTTPS://me:PLANTED@b.example/x",
    "postgresql://me:PLANTED/with/slashes@db/kinomill",
    "redis://:PLANTED?and#odd@db:6379/0",
    "redis://:PLANTED/1@db:6379/0",
    'connection to "host=db user=me password=PLANTED dbname=x" failed',
    "host=db password='PLANTED and a space' dbname=x",
    "sslpassword = PLANTED",
    "password: PLANTED",
    '{"password": "PLANTED", "user": "me"}',
    '{"a": "{\\"client_secret\\": \\"PLANTED\\"}"}',
    "{'api_key': 'PLANTED', 'n': 1}",
    "{'X-Api-Key': 'PLANTED'}",
    "[(b'authorization', b'Token PLANTED'), (b'host', b'a')]",
    "Headers({'cookie': 'kinomill_session=PLANTED; a=PLANTED'})",
    "refused header Authorization: Digest username=me, response=PLANTED",
    "Authorization: AWS4-HMAC-SHA256 Credential=PLANTED/x, Signature=PLANTED",
    "authorization=Basic UExBTlRFRA==",
    "Basic UExBTlRFRA==",
    "bearer%20PLANTED",
    "Set-Cookie: kinomill_session=PLANTED; HttpOnly",
    "x-amz-security-token: PLANTED0123456789abcdef",
    "AWS_SECRET_ACCESS_KEY=PLANTED",
    "account_key=PLANTED;suffix",
    "secret%3DPLANTED%26a",
    "km%5FPLANTED0123456789",
    "key AKIAPLANTED012345678 refused",
    "eyJPLANTEDhead.eyJPLANTED.sign",
    "-----BEGIN RSA PRIVATE KEY-----\nPLANTED\nPLANTED\n-----END RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize("text", LEAKS)
def test_a_secret_of_any_form_is_left_out(text):
    def planted(line):
        return "PLANTED" in line or "UExBTlRFRA" in line

    line = shown(Redactor(), event="failed", error=f"before {text} after")

    assert not planted(str(line))
    assert line["error"].startswith("before")
    assert not planted(str(shown(Redactor(), event="failed", error=OSError(text))))


def test_a_secret_in_a_table_is_left_out_by_its_name():
    headers = {"Authorization": "PLANTED", "X-Api-Key": "PLANTED", "accept": "text/html"}
    line = shown(Redactor(), event="refused", headers=headers, nested=[{"password": "PLANTED"}])

    assert "PLANTED" not in str(line)
    assert line["headers"]["accept"] == "text/html"


@pytest.mark.parametrize(
    "text",
    [
        "the job ended with 77 tokens: too many tokens=77",
        "no signature was found; the key is not there",
        "set KINOMILL_SECRET_KEY to 32 letters",
        "invalid token: expected a number",
        "key results/job_1/video.mp4 of 3 keys",
        "what is this? A question",
        "worker kinomill@host: ready",
        "Idempotency-Key was used before",
    ],
)
def test_a_sentence_about_secrets_stays_as_it_is(text):
    assert Redactor().clean(text) == text


@pytest.mark.parametrize("form", [quote, str, json.dumps, repr])
def test_a_secret_of_the_settings_is_left_out_in_any_form(form):
    secret = 'wörd/with "quotes" & more'
    redactor = Redactor()
    redactor.protect([secret])

    cleaned = redactor.clean(f"it is {form(secret)}")
    assert "***" in cleaned
    assert "with" not in cleaned


PIECES = ("a-", "x.y/", "password", "?a=b&", "://", '\\"', "\\", "basic ", "%3a")
LONG = """
import resource, sys
from runtime.logs import redaction

resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
redaction.MAX_TEXT = 10**7
for piece in sys.argv[2:]:
    redaction.Redactor().clean(sys.argv[1] + piece * 200_000)
"""
"""Half a second; with a pattern that looks at a part of the text again at each place, hours."""


@pytest.mark.parametrize("head", ["", "token=", 'token=\\"', '"token": \\"', "token: '"])
def test_a_long_text_of_any_kind_is_cleaned_in_time_that_grows_with_its_length(head):
    subprocess.run([sys.executable, "-c", LONG, head, *PIECES], check=True, cwd=ROOT)


def test_a_long_text_is_cut():
    assert Redactor().clean("x" * (MAX_TEXT + 7)) == "x" * MAX_TEXT + "… (7 more characters)"


def test_secrets_of_the_settings_are_left_out_of_every_field_and_depth(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-bucket-1")
    settings = Settings(
        database_url="postgresql://me:p%40ss-of-db@db/kinomill",
        redis_url="redis://:of-the-broker@redis/0",
        storage="s3://bucket",
        secret_key="the key that signs links, of 32 letters",
    )
    redactor = Redactor()
    redactor.protect(secret_values(settings))

    line = shown(
        redactor,
        event="of-the-broker",
        error=OSError("p@ss-of-db", "p%40ss-of-db"),
        nested={"of-the-bucket-1": ["the key that signs links, of 32 letters"]},
    )

    assert line["event"] == "***"
    assert "ss-of-db" not in line["error"]
    assert line["nested"] == {"***": ["***"]}


def test_the_name_of_a_user_and_a_short_word_are_no_secrets():
    few = DatabaseSettings(
        database_url="postgresql://kinomill:kinomill@db/kinomill", database_password="abc"
    )
    redactor = Redactor()
    redactor.protect(secret_values(few))

    assert redactor.clean("kinomill@host: abc") == "kinomill@host: abc"


@pytest.mark.parametrize("quoted", [PROMPT, repr(PROMPT), PROMPT.lower()])
def test_texts_of_an_input_are_left_out_however_they_are_quoted(quoted):
    redactor = Redactor()

    with redactor.hidden({"prompt": PROMPT, "people": [{"name": "Ada Lovelace"}], "seed": 7}):
        line = shown(redactor, event="refused", error=f"cannot say {quoted} to ada lovelace")
        library = shown(redactor, event=f"cut off: {quoted}", logger="transformers")

    assert "late" not in line["error"].lower()
    assert "lovelace" not in line["error"]
    assert "late" not in library["event"].lower()
    assert redactor.clean(PROMPT) == PROMPT


def test_a_text_that_is_also_a_word_of_ours_hides_no_name():
    redactor = Redactor()

    with redactor.hidden({"prompt": "wav2lip", "quality": "generating"}):
        line = shown(redactor, event="generating", model="wav2lip", phase="generating")

    assert line == {"event": "generating", "model": "wav2lip", "phase": "generating"}
