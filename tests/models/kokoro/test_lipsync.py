"""A text goes through a whole lip-sync job: speech, video and reported progress."""

from __future__ import annotations

import wave

import av
import pytest
from pydantic import ValidationError

from models.errors import InputRejected
from models.faces.detection.haar import HaarDetector
from models.kokoro.tts import SpeechSynthesis
from models.lipsync.input import Input
from models.lipsync.run import LipSyncRun
from models.musetalk.card import CARD as MUSETALK
from models.spec import Stage
from models.wav2lip.card import CARD as WAV2LIP
from tests.models.kokoro.small import SmallNetwork, small_synthesizer
from tests.models.lipsync.harness import PAINTED, SIZE, Painter, nothing
from tests.models.video import media

IMAGE = {"image": "file_1"}


@pytest.fixture
def clip(tmp_path):
    return media.clip(tmp_path / "clip.mp4", [media.numbered(n, *SIZE) for n in range(10)])


def run(folder, clip, speech, *, report=nothing, **options):
    wanted = {"video": "file_1", "region": PAINTED, "text": "Hello there.", **options}
    return LipSyncRun(
        params=Input.model_validate(wanted),
        inputs={"video": clip},
        network=Painter(),
        detector=HaarDetector(),
        metadata={"comment": "Made by a test."},
        notes={"runs_on": "a test"},
        speech=speech,
    ).run(folder / "video.mp4", report)


def test_a_text_is_synthesized_and_shown(tmp_path, clip, files):
    stages = []

    def report(stage, done=0, total=None, **_):
        stages.append((stage, done, total))

    made_clip = run(tmp_path, clip, SpeechSynthesis(files, small_synthesizer), report=report)

    assert made_clip.files == {"voice.wav": tmp_path / "voice.wav"}
    with wave.open(str(made_clip.files["voice.wav"])) as file:
        assert file.getnframes() == 12 * 600
    assert made_clip.has_audio
    assert made_clip.frames == 8
    assert stages[:2] == [(Stage.PREPROCESSING, 0, 1), (Stage.PREPROCESSING, 1, 1)]
    assert stages[-1] == (Stage.GENERATING, 8, 8)


def test_the_result_says_that_its_voice_is_synthesized(tmp_path, clip, files):
    made_clip = run(tmp_path, clip, SpeechSynthesis(files, small_synthesizer), voice="ef_dora")

    assert made_clip.notes["voice"] == "ef_dora"
    assert made_clip.notes["speech"] == "synthesized from text by Kokoro-82M"
    assert made_clip.notes["runs_on"] == "a test"
    with av.open(str(made_clip.path)) as container:
        comment = container.metadata["comment"]
    assert comment == (
        "Made by a test. The voice was synthesized from text by Kokoro-82M (ef_dora)."
    )


def test_a_worker_without_speech_refuses_a_text_before_it_reads_the_video(tmp_path):
    with pytest.raises(InputRejected, match="This worker has no speech") as refused:
        run(tmp_path, tmp_path / "not_there.mp4", SpeechSynthesis())

    assert (refused.value.code, refused.value.field) == ("speech_unavailable", "text")


def test_other_rejections_keep_their_field(tmp_path, clip, files):
    with pytest.raises(InputRejected) as refused:
        run(
            tmp_path,
            clip,
            SpeechSynthesis(files, small_synthesizer),
            region={**PAINTED, "right": 999},
        )

    assert refused.value.field == "region"


def test_the_error_for_a_silent_synthesized_voice_names_the_text(tmp_path, clip, files):
    class Mute(SmallNetwork):
        def forward(self, phonemes, style):
            return super().forward(phonemes, style) * 0

    def load(folder):
        synthesizer = small_synthesizer(folder)
        synthesizer._network = Mute()
        return synthesizer

    with pytest.raises(InputRejected, match="synthesized from the text cannot be used") as refused:
        run(tmp_path, clip, SpeechSynthesis(files, load))

    assert (refused.value.code, refused.value.field) == ("audio_silent", "text")


@pytest.mark.parametrize("card", [MUSETALK, WAV2LIP], ids=["musetalk", "wav2lip"])
def test_a_text_can_replace_the_voice(card):
    asked = card.input.model_validate({**IMAGE, "text": "Hello."})

    assert (asked.audio, asked.voice) == (None, "af_heart")
    assert "audio" not in card.input.model_json_schema().get("required", ())


@pytest.mark.parametrize(
    "given", [{}, {"audio": "file_2", "text": "Hello."}], ids=["neither", "both"]
)
def test_exactly_one_of_audio_and_text_is_required(given):
    with pytest.raises(ValidationError, match="exactly one of `audio` and `text`"):
        Input.model_validate({**IMAGE, **given})


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": ""},
        {"text": " \n\t"},
        {"text": "x" * 5001},
        {"text": "Hello.", "voice": "../af_heart"},
        {"text": "Hello.", "voice": "heart"},
    ],
    ids=["empty", "blank", "too_long", "a_path", "no_language"],
)
def test_a_text_that_cannot_be_spoken_is_refused_on_submit(wrong):
    with pytest.raises(ValidationError):
        Input.model_validate({**IMAGE, **wrong})


def test_a_text_in_a_form_stays_a_string():
    assert Input.parse_form_values({"text": "42", "voice": "af_heart"}) == {
        "text": "42",
        "voice": "af_heart",
    }
