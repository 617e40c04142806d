"""The closed list of error codes."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class ErrorCode(StrEnum):
    """Codes of error responses and of failed jobs. New ones may be added; none is ever changed.

    A failed job can also have a code of its model, declared beside the model's card. Each code is
    explained once, where it is defined: docs/api.md and `/docs/errors` are generated from that.
    """

    meaning: str
    """What is wrong and what to do, in one or two sentences."""
    retryable: bool | None
    """Whether the same request or job may succeed later. None: sometimes, each error says so."""

    def __new__(cls, code: str, meaning: str, retryable: bool | None = False) -> Self:
        """A member: a string with an explanation."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.retryable = retryable
        return member

    # request errors
    INVALID_JSON = (
        "invalid_json",
        "The body is not JSON as RFC 8259 defines it, or it is nested over 32 levels. Send one "
        "JSON object, without NaN and without duplicate names.",
    )
    INVALID_INPUT = (
        "invalid_input",
        "The request does not have the required form. `errors` lists each wrong field and what to "
        "send instead.",
    )
    UNSUPPORTED_MEDIA_TYPE = (
        "unsupported_media_type",
        "The Content-Type or Content-Encoding of the body is not supported. Send application/json "
        "or multipart/form-data in UTF-8, not compressed.",
    )
    BODY_TOO_LARGE = (
        "body_too_large",
        "The body exceeds the limit of the server. Send smaller media, or send URLs of them.",
    )
    UNKNOWN_MODEL = (
        "unknown_model",
        "The server has no model of this name. `GET /v1/models` lists those that it has.",
    )
    MODEL_REQUIRED = (
        "model_required",
        "The request for a video names no model, and the server has several. Name one of them as "
        "`model`.",
    )
    LICENSE_NOT_ACCEPTED = (
        "license_not_accepted",
        "The license of the model's weights forbids or restricts commercial use, and the operator "
        "has not accepted it. Use another model, or ask the operator.",
    )
    INVALID_CURSOR = (
        "invalid_cursor",
        "The cursor is not from a page of this list. Start again without one.",
    )
    INVALID_IDEMPOTENCY_KEY = (
        "invalid_idempotency_key",
        "The Idempotency-Key is not 1 to 255 printable ASCII characters. Use a UUID, for example.",
    )
    IDEMPOTENCY_MISMATCH = (
        "idempotency_mismatch",
        "The Idempotency-Key was used before with another body. Use a new key for a new job.",
    )
    JOB_NOT_FOUND = (
        "job_not_found",
        "You have no job with this id. Check it, and the account that the key belongs to.",
    )
    BATCH_NOT_FOUND = (
        "batch_not_found",
        "You have no batch with this id. Check it, and the account that the key belongs to.",
    )
    INVALID_ROWS = (
        "invalid_rows",
        "Rows of the batch are wrong, so nothing of it was submitted. `rows` lists each of them "
        "with its number, code and fields; correct them and send the whole batch again.",
    )
    DELIVERY_NOT_FOUND = (
        "delivery_not_found",
        "You have no webhook delivery with this id. Check the id, and the account of the key.",
    )
    JOB_NOT_FINISHED = (
        "job_not_finished",
        "The job is still queued or running. Wait for its end; to delete it, cancel it first.",
        None,
    )
    JOB_ALREADY_FINAL = (
        "job_already_final",
        "The job has already ended, so it cannot be canceled.",
    )
    JOB_WITHOUT_RESULT = (
        "job_without_result",
        "The job failed or was canceled, so it has no result. Its `error` says why.",
    )
    NO_PREVIEW = (
        "no_preview",
        "The job has no preview. While it runs one may follow, unless its model produces none.",
        None,
    )
    NO_POSTER = (
        "no_poster",
        "The result has no poster: its file type has none, or its worker is of an earlier release.",
    )
    SHARE_NOT_FOUND = (
        "share_not_found",
        "There is no such share. Its link is not complete, has expired or was revoked.",
    )
    SHARE_LIMIT = ("share_limit", "The job has as many shares as it may. Revoke one first.")
    MODEL_WITHOUT_WEIGHTS = (
        "model_without_weights",
        "The model has no weights, so there is nothing to download.",
    )
    RESULT_EXPIRED = (
        "result_expired",
        "The result was deleted at the end of its retention time. Submit the job again.",
    )
    INPUTS_EXPIRED = (
        "inputs_expired",
        "The files of the job's input were deleted at the end of their retention time, so it "
        "cannot be retried. Submit a new job.",
    )
    NOT_REPRODUCIBLE = (
        "not_reproducible",
        "The job has no record of the weights that it ran with, so there is no exact retry of it. "
        "Retry it without `exact`.",
    )
    LINK_INVALID = (
        "link_invalid",
        "The signed URL has expired or was altered. Get a new one from the job.",
    )
    NOT_FOUND = ("not_found", "There is nothing at this path. `/docs` lists all paths.")
    METHOD_NOT_ALLOWED = (
        "method_not_allowed",
        "The path does not support this method. The Allow header lists those that it supports.",
    )
    DATABASE_UNAVAILABLE = (
        "database_unavailable",
        "The database does not respond. Send the request again after the time in Retry-After.",
        True,
    )
    STORAGE_UNAVAILABLE = (
        "storage_unavailable",
        "Object storage does not respond or refused an operation. Try again later.",
        None,
    )
    REQUEST_TIMEOUT = (
        "request_timeout",
        "The request arrived too slowly, or stopped in the middle. Send it again, without pauses.",
        True,
    )
    HEADERS_TOO_LARGE = (
        "headers_too_large",
        "The request line and headers have too many bytes. Send fewer or shorter headers.",
    )
    TOO_MANY_CONNECTIONS = (
        "too_many_connections",
        "All connections that the server allows are in use. Close some, or try again after the "
        "time in Retry-After.",
        True,
    )
    SERVER_STOPPING = (
        "server_stopping",
        "The server stopped before the request was complete. Send the same request again, with "
        "its Idempotency-Key.",
        True,
    )
    STORAGE_FULL = (
        "storage_full",
        "Object storage has no space left. The operator has to free space or enlarge it; then the "
        "same request or job succeeds.",
        True,
    )
    SERVER_DISK_FULL = (
        "server_disk_full",
        "The disk of the API for temporary files is full. The operator has to free space in the "
        "folder KINOMILL_SCRATCH of the API.",
        True,
    )
    SERVER_DISK_UNWRITABLE = (
        "server_disk_unwritable",
        "The API cannot write its folder KINOMILL_SCRATCH: its operator has to mend that.",
        True,
    )
    TOO_MANY_UPLOADS = (
        "too_many_uploads",
        "The server receives as many files as it can at once. Send the request again after the "
        "time in Retry-After.",
        True,
    )
    VARIANT_NOT_AVAILABLE = (
        "variant_not_available",
        "There are no sprite sheets of a video. Its other variants are `video` and `thumbnail`.",
    )
    NOT_SUPPORTED = (
        "not_supported",
        "The request asks for something that other servers of this API offer and this one does "
        "not. `errors` names the field; leave it out.",
    )
    TOO_MANY_STREAMS = (
        "too_many_streams",
        "The account has as many streams of events open as it may. Close one, or poll instead.",
        True,
    )
    STREAMS_FULL = (
        "streams_full",
        "The server has as many streams of events open as it may. Poll instead, or try again after "
        "the time in Retry-After.",
        True,
    )
    UNAUTHORIZED = (
        "unauthorized",
        "The request has no valid key. Send one as `Authorization: Bearer km_…`.",
    )
    INSUFFICIENT_SCOPE = (
        "insufficient_scope",
        "The key lacks the scope that this request needs. Use a key that has it.",
    )
    HOST_NOT_ALLOWED = (
        "host_not_allowed",
        "The server needs no key, so it answers to names of its own machine only. Use "
        "127.0.0.1, or let the operator add the name to KINOMILL_ALLOWED_HOSTS.",
    )
    ORIGIN_NOT_ALLOWED = (
        "origin_not_allowed",
        "A web page of another origin sent the request to a server that needs no key, or with the "
        "cookie of a session. The operator can add the page's origin to KINOMILL_CORS_ORIGINS; if "
        "keys are required, the page needs one.",
    )
    ACCOUNT_LIMIT = (
        "account_limit",
        "The account has reached its limit of queued and running jobs. Wait for one to finish, or "
        "cancel one.",
        True,
    )
    JOBS_PER_DAY = (
        "jobs_per_day",
        "The account has submitted as many jobs as its quota allows on a day (UTC). Wait until "
        "midnight, or ask the operator for more.",
        True,
    )
    GPU_SECONDS_PER_DAY = (
        "gpu_seconds_per_day",
        "The jobs of the account have used the time of workers that its quota allows on a day "
        "(UTC). Wait until midnight, or ask the operator for more.",
        True,
    )
    STORED_BYTES = (
        "stored_bytes",
        "The inputs and results of the account take as many bytes as its quota allows. Delete jobs "
        "that have ended, or wait until some expire.",
        True,
    )
    SUBMISSIONS_PER_MINUTE = (
        "submissions_per_minute",
        "The account submits jobs faster than its quota allows. Send the request again after the "
        "time in Retry-After.",
        True,
    )
    MAINTENANCE_MODE = (
        "maintenance_mode",
        "The operator lets the server accept no jobs for now; everything else works. Send the "
        "request again after the time in Retry-After.",
        True,
    )
    WORKER_NOT_FOUND = (
        "worker_not_found",
        "No worker has this name. `GET /v1/workers` lists those that are registered.",
    )
    QUEUE_FULL = (
        "queue_full",
        "The queue of the model is full, or a new job would wait too long. Try again later.",
        True,
    )
    INTERNAL_ERROR = (
        "internal_error",
        "The server or the worker met an unexpected error. Its log has the details; report it to "
        "the operator.",
        None,
    )
    # inputs, rejected by the API or by the worker
    URL_NOT_ALLOWED = (
        "url_not_allowed",
        "The server may not use this URL. Use https and a host with a public address.",
    )
    FETCH_FAILED = (
        "fetch_failed",
        "The file at the URL could not be downloaded. Check that the URL works without a login.",
        None,
    )
    FETCH_TIMEOUT = (
        "fetch_timeout",
        "Downloading the file took too long. Use a faster host, or upload the file.",
        True,
    )
    FILE_NOT_FOUND = (
        "file_not_found",
        "There is no such file: not uploaded by this account, no longer stored, or not among the "
        "files of the job.",
    )
    FILE_IN_USE = (
        "file_in_use",
        "A queued or running job or a waiting row of a batch needs the file. Wait for its end, or "
        "cancel it, then delete the file.",
        None,
    )
    FILE_QUOTA = (
        "file_quota",
        "The files of the account would exceed what it may store. Delete some, or let them expire.",
    )
    FILE_NOT_READY = (
        "file_not_ready",
        "The bytes of the file have not all arrived. Send the rest, then complete the upload.",
        None,
    )
    FILE_MISMATCH = (
        "file_mismatch",
        "The bytes that arrived are not those that were announced: another size or another "
        "SHA-256. Upload the file again.",
    )
    INPUT_TOO_LARGE = (
        "input_too_large",
        "The file has more bytes than the server accepts for this field. Send a smaller one.",
    )
    INVALID_DATA_URI = (
        "invalid_data_uri",
        "The data URI is malformed. Write `data:<type>;base64,<data>`.",
    )
    UNSUPPORTED_MEDIA = (
        "unsupported_media",
        "The content of the file is not of a supported type, whatever its name says. Convert it.",
    )
    MEDIA_UNREADABLE = (
        "media_unreadable",
        "The file is damaged or truncated, or it cannot be decoded. Export it again.",
    )
    TOO_LARGE = (
        "too_large",
        "The image or video has too many pixels, or the file too many bytes. Scale it down.",
    )
    TOO_SMALL = ("too_small", "The image or video has too few pixels. Use a larger one.")
    # failures of a job
    WORKER_LOST = (
        "worker_lost",
        "The worker disappeared while it ran the job, each time it was tried. Submit the job "
        "again; if it happens again, report it to the operator.",
    )
    NOT_STARTED_IN_TIME = (
        "not_started_in_time",
        "No worker started the job within its `start_within_seconds`. Submit it again, with more "
        "time or when the queue is shorter.",
        True,
    )
    WEIGHTS_CHANGED = (
        "weights_changed",
        "The worker has another revision of the weights than the job of which this is an exact "
        "retry. Retry it without `exact`.",
    )
    TIMEOUT = ("timeout", "The job ran longer than the server allows. Make it smaller or shorter.")
    STALLED = (
        "stalled",
        "The job made no progress for too long and was stopped. Submit it again.",
        True,
    )
    DISK_FULL = (
        "disk_full",
        "The disk of a worker is full: its folder for temporary files or its volume for weights. "
        "The operator has to free space on it.",
        True,
    )
    DISK_UNWRITABLE = (
        "disk_unwritable",
        "A worker cannot write its folder for temporary files: its operator has to mend that.",
        True,
    )
    WEIGHTS_UNAVAILABLE = (
        "weights_unavailable",
        "The weights of the model could not be downloaded. The detail of the error says why.",
        None,
    )
    GPU_OUT_OF_MEMORY = (
        "gpu_oom",
        "The job needs more GPU memory than the worker has. Make it smaller or shorter.",
    )
    MODEL_ERROR = ("model_error", "The model failed. The detail of the error says why.")

    @classmethod
    def of(cls, text: str) -> ErrorCode:
        """The code of this name; `model_error` if there is none."""
        return next((code for code in cls if code == text), cls.MODEL_ERROR)
