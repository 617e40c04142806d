"""Prompts are encoded once, to 512 tokens, and never cut off in silence."""

from __future__ import annotations

import pytest
import torch

from models.errors import InputRejected
from models.wan.loading.pipeline import load
from models.wan.sampling.prompts import Prompts
from models.wan.variants import WAN2_2_I2V
from tests.models.wan.running import Ear, inputs, runner_of, wish
from tests.models.wan.tiny import tiny_weights

EACH = 512 * 32 * 2
"""Bytes of the twin's embeddings."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights"), "wan2.2")


@pytest.fixture(scope="module")
def pipe(folder):
    return load(folder, WAN2_2_I2V).pipe


@pytest.fixture
def passes(pipe):
    """Grows by one with each text that the encoder reads."""
    seen = []
    hook = pipe.text_encoder.register_forward_pre_hook(lambda *_: seen.append(1))
    yield seen
    hook.remove()


def test_the_same_words_are_encoded_once(pipe, passes):
    prompts = Prompts(pipe)

    first, again = prompts.encoded("a cat"), prompts.encoded("a cat")
    other = prompts.encoded("a cat looks")

    assert len(passes) == 2
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (1, 512, 32)


def test_above_the_limit_the_one_unused_for_longest_goes(pipe, passes):
    prompts = Prompts(pipe, limit_bytes=2 * EACH)

    for text in ("a", "b", "a", "c", "a", "b"):
        prompts.encoded(text)

    assert len(passes) == 4


def test_one_is_always_kept(pipe, passes):
    prompts = Prompts(pipe, limit_bytes=1)

    prompts.encoded("a")
    prompts.encoded("a")

    assert len(passes) == 1


def test_a_prompt_of_512_tokens_is_read_and_one_more_is_refused(pipe):
    prompts = Prompts(pipe)
    prompts.check("#" * 510, "prompt")

    with pytest.raises(InputRejected, match="It is 513 tokens long, of which") as refused:
        prompts.check("#" * 511, "prompt")

    assert (refused.value.code, refused.value.field) == ("prompt_too_long", "prompt")


def test_a_job_says_which_of_its_prompts_is_too_long(folder, tmp_path):
    runner = runner_of(folder, "wan2.2")

    with pytest.raises(InputRejected) as refused:
        runner.generate(
            wish(negative_prompt="#" * 600), inputs(tmp_path), tmp_path / "out.mp4", Ear()
        )

    assert refused.value.field == "negative_prompt"
