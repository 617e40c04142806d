"""Every word is kept, in order, in chunks that fit the network."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.kokoro.chunking import MAX_PHONEMES, TARGET_PHONEMES, phoneme_chunks, sentences


def spelled(text):
    return text


def test_a_text_is_split_at_the_ends_of_its_sentences():
    text = 'One. Two? "Three!" Four… five\nSix 3.5 a.b'

    assert sentences(text) == ["One.", "Two?", '"Three!"', "Four…", "five", "Six 3.5 a.b"]


def test_short_sentences_share_a_chunk():
    assert list(phoneme_chunks("Yes. No. Well.", spelled)) == ["Yes. No. Well."]


def test_a_chunk_ends_before_it_exceeds_the_target_length():
    text = "x" * 120 + ". " + "y" * 120 + "."

    assert [len(each) for each in phoneme_chunks(text, spelled)] == [121, 121]


def test_one_long_sentence_stays_whole_as_long_as_it_fits():
    sentence = "word " * 100 + "end."

    assert TARGET_PHONEMES < len(sentence) <= MAX_PHONEMES
    assert list(phoneme_chunks(sentence, spelled)) == [sentence]


def test_a_sentence_that_does_not_fit_is_split_at_a_clause():
    text = "a" * 300 + ", " + "b" * 300 + "."

    assert list(phoneme_chunks(text, spelled)) == ["a" * 300 + ",", "b" * 300 + "."]


def test_a_word_that_does_not_fit_is_split_at_the_limit():
    assert [len(each) for each in phoneme_chunks("x" * 1200, spelled)] == [510, 510, 180]


def test_a_text_without_phonemes_gives_no_chunk():
    assert list(phoneme_chunks("One. Two.", lambda _: " ")) == []


@pytest.mark.parametrize("stretch", [1, 3], ids=["as_long", "thrice_as_long"])
@given(text=st.text(alphabet="ab ,.;\n!", max_size=3000))
def test_no_word_is_lost_and_no_chunk_is_too_long(stretch, text):
    made = list(phoneme_chunks(text, lambda part: part.replace("a", "a" * stretch)))

    assert all(0 < len(each) <= MAX_PHONEMES for each in made)
    expected = text.replace("a", "a" * stretch)
    assert re.sub(r"\s", "", "".join(made)) == re.sub(r"\s", "", expected)
