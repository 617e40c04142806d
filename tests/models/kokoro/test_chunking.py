"""Every word is spoken once and in order, in passes that the network can take."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.kokoro.chunking import COMFORTABLE, MOST_PHONEMES, passes, sentences


def spelled(text):
    return text


def test_a_text_is_cut_at_the_ends_of_its_sentences():
    text = 'One. Two? "Three!" Four… five\nSix 3.5 a.b'

    assert sentences(text) == ["One.", "Two?", '"Three!"', "Four…", "five", "Six 3.5 a.b"]


def test_short_sentences_share_a_pass():
    assert list(passes("Yes. No. Well.", spelled)) == ["Yes. No. Well."]


def test_a_pass_is_closed_before_it_is_too_long_to_be_spoken_well():
    text = "x" * 120 + ". " + "y" * 120 + "."

    assert [len(each) for each in passes(text, spelled)] == [121, 121]


def test_one_long_sentence_stays_whole_as_long_as_it_fits():
    sentence = "word " * 100 + "end."

    assert COMFORTABLE < len(sentence) <= MOST_PHONEMES
    assert list(passes(sentence, spelled)) == [sentence]


def test_a_longer_sentence_is_cut_at_a_clause():
    text = "a" * 300 + ", " + "b" * 300 + "."

    assert list(passes(text, spelled)) == ["a" * 300 + ",", "b" * 300 + "."]


def test_a_word_without_end_is_cut_hard():
    assert [len(each) for each in passes("x" * 1200, spelled)] == [510, 510, 180]


def test_what_has_no_phonemes_makes_no_pass():
    assert list(passes("One. Two.", lambda _: " ")) == []


@pytest.mark.parametrize("stretch", [1, 3], ids=["as_long", "thrice_as_long"])
@given(text=st.text(alphabet="ab ,.;\n!", max_size=3000))
def test_no_word_is_lost_and_no_pass_is_too_long(stretch, text):
    made = list(passes(text, lambda part: part.replace("a", "a" * stretch)))

    assert all(0 < len(each) <= MOST_PHONEMES for each in made)
    expected = text.replace("a", "a" * stretch)
    assert re.sub(r"\s", "", "".join(made)) == re.sub(r"\s", "", expected)
