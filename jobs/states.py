"""The life of a job: five states, the moves between them, and the phases while it runs."""

from enum import IntEnum, StrEnum


class State(StrEnum):
    """Where a job stands. The last three are final: no move leaves them."""

    QUEUED = "queued"  #: waiting for a worker
    RUNNING = "running"  #: a worker holds a lease on it
    SUCCEEDED = "succeeded"  #: its result is in object storage
    FAILED = "failed"  #: its error is final, or no attempt is left
    CANCELED = "canceled"  #: its owner canceled it

    @property
    def final(self) -> bool:
        """Whether the job can never change its state again."""
        return not MOVES[self]


MOVES: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.FAILED, State.CANCELED}),
    State.RUNNING: frozenset({State.QUEUED, State.SUCCEEDED, State.FAILED, State.CANCELED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELED: frozenset(),
}
"""The states that can follow each state. A job goes back from running to queued when its attempt
was lost, preempted, or ended with an error that allows a retry."""


class Phase(StrEnum):
    """What a running job is doing. Each phase reports its own progress."""

    STARTING = "starting"  #: claimed, nothing done yet
    DOWNLOADING_WEIGHTS = "downloading_weights"  #: the model's files are downloaded to the volume
    LOADING_MODEL = "loading_model"  #: the model is loaded into memory
    FETCHING_INPUTS = "fetching_inputs"  #: images, videos and audio are downloaded to the worker
    PREPROCESSING = "preprocessing"  #: inputs are probed and prepared
    GENERATING = "generating"  #: the model runs, step by step or frame by frame
    ENCODING = "encoding"  #: the last frames and the audio are written to the file
    UPLOADING = "uploading"  #: the result is uploaded to object storage


class Priority(IntEnum):
    """How urgent a job is: lower numbers run first. Waiting raises it, so that no job starves."""

    INTERACTIVE = 0  #: a person is waiting for the result
    NORMAL = 1  #: the default
    BACKGROUND = 2  #: a backfill


class Outcome(StrEnum):
    """How one attempt ended."""

    SUCCEEDED = "succeeded"  #: its file became the job's result
    FAILED = "failed"  #: its error failed the job
    RETRIED = "retried"  #: its error was temporary; the job is queued again
    LOST = "lost"  #: its worker died, or renewed the lease too late
    PREEMPTED = "preempted"  #: its worker is shutting down; the job is queued again
    CANCELED = "canceled"  #: the owner canceled the job


class Event(StrEnum):
    """What the history of a job records, in order."""

    SUBMITTED = "submitted"  #: the job was created
    CLAIMED = "claimed"  #: a worker started an attempt
    CANCEL_REQUESTED = "cancel_requested"  #: the owner canceled it while it was running
    REQUEUED = "requeued"  #: its attempt was retried, lost or preempted
    PUBLISHED = "published"  #: it succeeded, and its result is available
    EXPIRED = "expired"  #: its inputs and result were deleted after their retention time
    FAILED = "failed"  #: it ended with an error
    CANCELED = "canceled"  #: it ended because its owner canceled it
