"""A submission decides by itself whether its trace is sampled, as the SDK's sampler would."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import sampling
from opentelemetry.trace import SpanKind

from runtime.traces import settings
from runtime.traces.pipeline import CHOSEN
from runtime.traces.tracing import pipeline as current_pipeline
from tests.runtime.traces.recording import recorded

IDS = 2_000


@pytest.fixture
def sampled_by(monkeypatch):
    """A function that sets the standard variables of the sampler."""

    def choose(sampler, argument):
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)

    return choose


@pytest.mark.parametrize("name", ["traceidratio", "parentbased_traceidratio"])
def test_a_share_leaves_out_what_the_sdk_leaves_out(sampled_by, monkeypatch, name):
    sampled_by(name, "0.25")
    sdk = sampling.TraceIdRatioBased(0.25)
    with recorded():
        pipeline = current_pipeline()
        monkeypatch.setattr(
            pipeline.provider.sampler, "should_sample", lambda *_: pytest.fail("was asked")
        )
        taken = []
        for _ in range(IDS):
            left_out = pipeline.new_trace("POST")
            if left_out is None:
                taken.append(CHOSEN.get())
                CHOSEN.set(None)
                decision = sdk.should_sample(None, taken[-1], "POST", SpanKind.SERVER).decision
                assert decision is sampling.Decision.RECORD_AND_SAMPLE
            else:
                trace_id = int(left_out.traceparent.split("-")[1], 16)
                decision = sdk.should_sample(None, trace_id, "POST", SpanKind.SERVER).decision
                assert decision is sampling.Decision.DROP

    assert 0.15 < len(taken) / IDS < 0.35


@pytest.mark.parametrize(("sampler", "left_out"), [("always_off", True), ("always_on", False)])
def test_other_samplers_are_asked(sampled_by, sampler, left_out):
    sampled_by(sampler, "")
    with recorded():
        trace = current_pipeline().new_trace("POST")
    CHOSEN.set(None)

    assert (trace is not None) == left_out


@pytest.mark.parametrize(
    ("sampler", "argument", "share"),
    [
        ("traceidratio", "0.01", 0.01),
        ("PARENTBASED_traceidratio", " 1 ", 1.0),
        ("traceidratio", "", None),
        ("traceidratio", "nan", None),
        ("traceidratio", "1.5", None),
        ("parentbased_always_on", "0.01", None),
    ],
)
def test_a_share_is_read_from_the_variables_of_the_sdk(sampler, argument, share):
    variables = {"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": argument}

    assert settings.ratio(variables) == share
