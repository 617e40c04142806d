"""Errors of a run, with a code for programs and a message for people; the API shows both."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.media.formats import taken_for

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class ModelErrorCode:
    """An error code with its explanation for users; both are shown in the docs and the API."""

    code: str
    meaning: str
    """What is wrong and what to do, in one or two sentences."""


SHARED_ERROR_CODES = (
    ModelErrorCode(
        "weights_invalid",
        "A weights file on the worker is damaged or belongs to another model. The operator has to "
        "pull the weights again.",
    ),
    ModelErrorCode(
        "gpu_process_lost",
        "The process of one of the GPUs that ran the job together has ended. The job is run again "
        "a few times; if it still fails, the operator finds the reason in the worker's log.",
    ),
    ModelErrorCode(
        "output_not_finite",
        "The network computed NaN or infinite values, so there is no video. The operator has to "
        "set a larger number format or pull the weights again.",
    ),
    ModelErrorCode(
        "output_blank",
        "The network computed a single color, for example black, or the same value everywhere. The "
        "operator has to check the number format and the weights; an image of a single color can "
        "cause it, too.",
    ),
    ModelErrorCode(
        "output_frozen",
        "The network computed a video in which nothing moves. The operator has to check the "
        "number format and the weights.",
    ),
)
"""Codes that a run of any model with weights can end with, beside `model_error`."""


class ModelError(Exception):
    """A run failed for a reason that the caller or the operator can fix."""

    code = "model_error"
    retryable = False


class InputRejected(ModelError):
    """The input cannot be used.

    `code` says why, `field` which one it is, the message what to do about it.
    """

    def __init__(self, code: str, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.field = field


@contextmanager
def attribute_to_field(field: str) -> Iterator[None]:
    """Set the field of each `InputRejected` from this block that does not name one.

    Code that decodes media does not know to which field of the input a file belongs.
    """
    try:
        yield
    except InputRejected as error:
        if error.field is not None:
            raise
        raise InputRejected(error.code, str(error), field=field) from error


def no_face_error(field: str) -> InputRejected:
    """The error for an image or a video without a usable face."""
    return InputRejected(
        "no_face",
        "No face was found. Use an image or video with one upright face, seen from the front.",
        field=field,
    )


def unreadable_error() -> InputRejected:
    """The error for a file that is not media, is damaged, or has a format that is not accepted."""
    return InputRejected(
        "media_unreadable",
        "The file cannot be decoded: it is damaged, incomplete or of another format. As a video "
        f"use {taken_for('video')}; as sound {taken_for('audio')}; as an image "
        f"{taken_for('image')}. Playlists are not followed.",
    )


class ProcessLost(ModelError):
    """A process that computes a share of a run has ended, so that the run has to start again."""

    code = "gpu_process_lost"
    retryable = True


class WeightsInvalid(ModelError):
    """A weights file is damaged or of another model; the message names the file and the reason."""

    code = "weights_invalid"


class OutputInvalid(ModelError):
    """A network computed what is no video: NaN, a single color, or the same picture all the time.

    `code` says which of these; the message what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
