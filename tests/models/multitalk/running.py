"""Helpers for the tests of the talking-picture runner: voices, requests, whole runs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch

from models.kokoro.tts import SpeechSynthesis
from models.multitalk.request.input import Input, VideoInput
from models.multitalk.runner import Runner
from models.multitalk.variants import INFINITETALK, MULTITALK
from tests.models.kokoro.small import small_synthesizer
from tests.models.multitalk.voice_files import write_voice
from tests.models.wan.reports import ReportRecorder
from tests.models.wan.running import inputs

torch.set_num_threads(1)

SMALL = {
    "clip_frames": 9,
    "motion_frames": 5,
    "areas": {"480p": 64 * 64, "720p": 128 * 128},
}
"""Clips of 9 frames of 64 x 64, each continued from 5: the real ones have 81 of 640 x 640."""
VARIANTS = {
    "multitalk": replace(MULTITALK, **SMALL),
    "infinitetalk": replace(INFINITETALK, **SMALL),
}


def runner_of(folder, name="multitalk", **options):
    return Runner(folder, VARIANTS[name], **options)


def request_for(name="multitalk", **values):
    kind = Input if name == "multitalk" else VideoInput
    source = {} if "video" in values else {"image": ""}
    return kind(**{**source, "audio": "", "seed": 7, "steps": 2, **values})


def generate(runner, folder, params, recorder=None, *, voice=None, voice_2=None, picture=None):
    """Run one job with these voices and picture; the result lies in the folder."""
    folder.mkdir(exist_ok=True)
    files = inputs(folder, **({} if picture is None else {"image": picture}))
    for field, samples in (("audio", voice), ("audio_2", voice_2)):
        if samples is not None:
            files[field] = write_voice(folder / f"{field}.wav", samples)
    return runner.generate(params, files, folder / "out.mp4", recorder or ReportRecorder())


class SpeakingRunner(Runner):
    """MultiTalk with a small speech synthesizer, without the GPL-3 packages."""

    def __init__(self, weights):
        super().__init__(weights, VARIANTS["multitalk"])
        self._speech = SpeechSynthesis(weights / "kokoro", small_synthesizer)


multitalk = partial(Runner, variant=VARIANTS["multitalk"])
infinitetalk = partial(Runner, variant=VARIANTS["infinitetalk"])
