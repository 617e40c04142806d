"""Prompts are encoded once, to 512 tokens, and never truncated silently."""

from __future__ import annotations

import pytest
import torch

from models.errors import InputRejected
from models.wan.loading.pipeline import load
from models.wan.sampling.prompts import PromptEncoder
from models.wan.variants import WAN2_2_I2V
from tests.models.wan.reports import ReportRecorder
from tests.models.wan.running import inputs, request_for, runner_of
from tests.models.wan.tiny import tiny_weights

EACH = 512 * 32 * 2
"""Bytes of the tiny model's embeddings."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights"), "wan2.2")


@pytest.fixture(scope="module")
def pipe(folder):
    return load(folder, WAN2_2_I2V).pipe


@pytest.fixture
def passes(pipe):
    """Grows by one with each text that is encoded."""
    seen = []
    hook = pipe.text_encoder.register_forward_pre_hook(lambda *_: seen.append(1))
    yield seen
    hook.remove()


def test_the_same_prompt_is_encoded_once(pipe, passes):
    prompts = PromptEncoder(pipe)

    first, again = prompts.encode("a cat"), prompts.encode("a cat")
    other = prompts.encode("a cat looks")

    assert len(passes) == 2
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (1, 512, 32)


def test_the_least_recently_used_prompt_is_evicted(pipe, passes):
    prompts = PromptEncoder(pipe, cache_bytes=2 * EACH)

    for text in ("a", "b", "a", "c", "a", "b"):
        prompts.encode(text)

    assert len(passes) == 4


def test_one_prompt_is_always_cached(pipe, passes):
    prompts = PromptEncoder(pipe, cache_bytes=1)

    prompts.encode("a")
    prompts.encode("a")

    assert len(passes) == 1


def test_a_prompt_of_512_tokens_is_accepted_and_one_more_is_rejected(pipe):
    prompts = PromptEncoder(pipe)
    prompts.check_length("#" * 510, "prompt")

    with pytest.raises(InputRejected, match="It has 513 tokens") as rejected:
        prompts.check_length("#" * 511, "prompt")

    assert (rejected.value.code, rejected.value.field) == ("prompt_too_long", "prompt")


def test_the_error_names_the_prompt_that_is_too_long(folder, tmp_path):
    runner = runner_of(folder, "wan2.2")

    with pytest.raises(InputRejected) as rejected:
        runner.generate(
            request_for(negative_prompt="#" * 600),
            inputs(tmp_path),
            tmp_path / "out.mp4",
            ReportRecorder(),
        )

    assert rejected.value.field == "negative_prompt"
