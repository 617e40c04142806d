"""The warm runner: loaded once, dropped for another model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.states import Phase
from tests.workers import script
from workers.warm import Warm

CALM = script.CARD
OTHER = replace(CALM, name="other")


def quiet(_):
    pass


def test_a_runner_is_made_once_for_many_jobs():
    warm, before, phases = Warm(), script.Runner.made, []

    runners = {warm.runner_for(CALM, phases.append) for _ in range(3)}

    assert len(runners) == 1
    assert script.Runner.made == before + 1
    assert phases == [Phase.LOADING_MODEL]


def test_another_model_takes_the_place_of_the_first():
    warm = Warm()

    first = warm.runner_for(CALM, quiet)
    second = warm.runner_for(OTHER, quiet)

    assert first is not second
    assert warm.runner_for(OTHER, quiet) is second
    assert warm.runner_for(CALM, quiet) is not first


def test_a_model_that_cannot_be_loaded_leaves_no_other_in_its_place():
    warm = Warm()
    warm.runner_for(CALM, quiet)

    with pytest.raises(ModuleNotFoundError):
        warm.runner_for(replace(OTHER, runner="tests.workers.nothing:Runner"), quiet)

    assert isinstance(warm.runner_for(CALM, quiet), script.Runner)


def test_a_canceled_job_loads_nothing():
    warm, before = Warm(), script.Runner.made

    def canceled(_):
        raise RuntimeError("canceled")

    with pytest.raises(RuntimeError):
        warm.runner_for(CALM, canceled)

    assert script.Runner.made == before
