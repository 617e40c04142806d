"""Models that are built when they are first used."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from runtime.deferred_models import deferred_models


def test_a_model_of_the_block_is_built_when_it_is_first_used():
    with deferred_models():

        class Late(BaseModel):
            number: int

    assert not Late.__pydantic_complete__
    with pytest.raises(ValidationError):
        Late(number="none")
    assert Late(number="3").number == 3


def test_a_later_model_is_built_at_once():
    with deferred_models():
        pass

    class Prompt(BaseModel):
        number: int

    assert Prompt.__pydantic_complete__
