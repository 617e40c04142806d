"""What must not be in the logs is not, whoever writes it."""

from __future__ import annotations

import pytest

from runtime.logs.redaction import MAX_TEXT, Redactor
from runtime.settings import DatabaseSettings, Settings, secret_values

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
