import av
import cv2
import numpy as np

SILENT = slice(-12, None)


def test_the_mouth_opening_follows_the_loudness_of_the_voice(spoken):
    together = np.corrcoef(spoken.opening, spoken.loudness)[0, 1]

    assert together > 0.7


def test_the_mouth_opens_visibly(spoken):
    assert np.percentile(spoken.opening, 90) > 10


def test_the_mouth_is_closed_in_silence(spoken):
    assert spoken.opening[SILENT].max() < 0.1 * np.percentile(spoken.opening, 90)


def test_the_closed_mouth_equals_the_photo(spoken):
    photo = cv2.imread(str(spoken.face.path))
    mouth = photo[spoken.face.mouth].astype(np.float32)

    assert np.abs(spoken.film[(-1, *spoken.face.mouth)] - mouth).mean() < 4


def test_the_rest_of_the_frame_does_not_change(spoken):
    for part in spoken.face.still:
        seen = spoken.film[(slice(None), *part)].astype(np.float32)

        assert np.abs(seen - seen[-1]).mean(axis=(1, 2, 3)).max() < 1.5


def test_the_video_is_as_long_as_the_voice(spoken):
    with av.open(str(spoken.clip.path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        seconds = [float(stream.duration * stream.time_base) for stream in (video, audio)]

    assert len(spoken.film) == spoken.clip.frames == 125
    assert np.abs(np.array(seconds) - float(spoken.seconds)).max() <= 1 / 25


def test_the_streams_are_h264_and_aac_and_decode(spoken):
    with av.open(str(spoken.clip.path)) as container:
        names = [stream.codec_context.name for stream in container.streams]
        samples = sum(frame.samples for frame in container.decode(audio=0))

    assert names == ["h264", "aac"]
    assert samples > 0


def test_the_metadata_says_that_no_neural_network_was_used(spoken):
    with av.open(str(spoken.clip.path)) as container:
        comment = container.metadata["comment"]

    assert "preview-lipsync" in comment
    assert "no neural network" in comment


def test_each_frame_has_a_face(spoken):
    assert spoken.clip.notes == {"frames_without_face": 0, "frames_with_guessed_mouth": 0}
