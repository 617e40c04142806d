"""What lies below a voice is removed, and the voice stays where and as it is."""

from __future__ import annotations

import numpy as np
import pytest

from models.lipsync.high_pass import RATE, high_pass


def sine(hertz, seconds=1.0):
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE).astype(np.float32)


def filtered(samples, block=1600):
    pieces = [samples[start : start + block] for start in range(0, len(samples), block)]
    return np.concatenate([*high_pass(pieces), np.empty(0, np.float32)])


@pytest.mark.parametrize(("hertz", "gain"), [(20, 0), (50, 0), (60, 0), (150, 1), (1000, 1)])
def test_only_frequencies_of_a_voice_pass(hertz, gain):
    samples = sine(hertz)

    got = filtered(samples)[1000:-1000]

    assert np.abs(got - gain * samples[1000:-1000]).max() < 0.015


def test_an_offset_is_removed():
    assert np.abs(filtered(np.full(RATE, 0.5, np.float32))[1000:-1000]).max() < 1e-5


@pytest.mark.parametrize("block", [1, 7, 800, 1601, 16_000])
def test_blocks_of_any_size_give_the_same_samples(block):
    samples = np.random.default_rng(0).normal(0, 0.1, 3000).astype(np.float32)

    assert filtered(samples, block) == pytest.approx(filtered(samples, 3000), abs=1e-6)


@pytest.mark.parametrize("count", [0, 1, 300, 400, 401, 402, 900])
def test_there_are_as_many_samples_as_before(count):
    assert len(filtered(np.ones(count, np.float32))) == count
