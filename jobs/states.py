"""The life of a job: five states, the moves between them, and the phases while it runs."""

from enum import IntEnum, StrEnum


class State(StrEnum):
    """Where a job stands. The last three are final: nothing leaves them."""

    QUEUED = "queued"  #: waiting for a worker
    RUNNING = "running"  #: a worker holds a lease on it
    SUCCEEDED = "succeeded"  #: its video is in storage
    FAILED = "failed"  #: no attempt is left, or the error is final
    CANCELED = "canceled"  #: withdrawn by its owner

    @property
    def final(self) -> bool:
        """Whether nothing can happen to the job any more."""
        return not MOVES[self]


MOVES: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.FAILED, State.CANCELED}),
    State.RUNNING: frozenset({State.QUEUED, State.SUCCEEDED, State.FAILED, State.CANCELED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELED: frozenset(),
}
"""Back from running to queued: the attempt was lost, preempted, or is to be retried."""


class Phase(StrEnum):
    """What a running job is busy with. Each phase has a progress of its own."""

    STARTING = "starting"  #: claimed, nothing done yet
    DOWNLOADING_WEIGHTS = "downloading_weights"  #: the model's files come onto the volume
    LOADING_MODEL = "loading_model"  #: the model goes into memory
    FETCHING_INPUTS = "fetching_inputs"  #: pictures, clips and voices come to the worker
    PREPROCESSING = "preprocessing"  #: inputs are probed and prepared
    GENERATING = "generating"  #: the model runs, step by step or frame by frame
    ENCODING = "encoding"  #: the last frames and the sound go into the MP4
    UPLOADING = "uploading"  #: the MP4 goes to storage


class Priority(IntEnum):
    """How urgent a job is; the lower, the sooner. Waiting raises it, so that nobody starves."""

    INTERACTIVE = 0  #: a person waits for it
    NORMAL = 1
    BACKGROUND = 2  #: a backfill


class Outcome(StrEnum):
    """How one attempt ended."""

    SUCCEEDED = "succeeded"  #: its video became the job's result
    FAILED = "failed"  #: it met an error that ends the job
    RETRIED = "retried"  #: it met a passing error; the job is queued again
    LOST = "lost"  #: its worker died, or was silent for longer than the lease
    PREEMPTED = "preempted"  #: its worker was told to stop and gave the job back
    CANCELED = "canceled"  #: the owner withdrew the job


class Event(StrEnum):
    """What the history of a job records, in order, for ever."""

    SUBMITTED = "submitted"
    CLAIMED = "claimed"
    CANCEL_REQUESTED = "cancel_requested"
    REQUEUED = "requeued"
    PUBLISHED = "published"
    EXPIRED = "expired"
    FAILED = "failed"
    CANCELED = "canceled"
