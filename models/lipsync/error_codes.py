"""Error codes of the lip-sync models, with their explanation for users."""

from __future__ import annotations

from models.errors import ModelErrorCode

FACE_AND_VOICE = (
    ModelErrorCode(
        "no_face",
        "No face was found in the image or video. Use one with an upright face, seen from the "
        "front.",
    ),
    ModelErrorCode("no_sound", "The file has no audio track. Use a file with a voice."),
    ModelErrorCode("audio_silent", "No voice can be heard in the audio. Use a louder recording."),
    ModelErrorCode("audio_too_long", "The audio is too long. Shorten it to 10 minutes or less."),
)
"""Codes of every lip-sync model."""

SPEECH_UNAVAILABLE = ModelErrorCode(
    "speech_unavailable",
    "The worker cannot synthesize speech. Send a voice as `audio`, or ask the operator to install "
    "speech synthesis.",
)
"""Of models that take `text` in place of a voice."""
