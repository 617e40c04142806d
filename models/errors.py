"""What a model may say against its input. The API shows the code, the field and the sentence."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class ModelError(Exception):
    """A run ended for a reason that the caller or the operator can act on."""

    code = "model_error"
    retryable = False


class InputRejected(ModelError):
    """The input cannot be used: the code says why, the field says which, the text what to do."""

    def __init__(self, code: str, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.field = field


@contextmanager
def blamed_on(field: str) -> Iterator[None]:
    """Say of which field a rejection speaks, where the media path could not know it."""
    try:
        yield
    except InputRejected as error:
        if error.field is not None:
            raise
        raise InputRejected(error.code, str(error), field=field) from error


def no_face(field: str) -> InputRejected:
    """The answer to a picture in which nobody can speak."""
    return InputRejected(
        "no_face",
        "No face was found: send a picture with one upright face, seen from the front.",
        field=field,
    )


class WeightsInvalid(ModelError):
    """A file of weights is not what it must be: the text names the file and the reason."""

    code = "weights_invalid"
