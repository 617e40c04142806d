"""What a model may say against its input. The API shows the code, the field and the sentence."""


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


class WeightsInvalid(ModelError):
    """A file of weights is not what it must be: the text names the file and the reason."""

    code = "weights_invalid"
