"""The arguments of each command that calls a server, and what `--help` says about it.

Apart from the commands themselves, so that help and a wrong argument import nothing of them.
"""

from __future__ import annotations

from argparse import BooleanOptionalAction
from typing import TYPE_CHECKING, Final

from kinomill.cli.parser import (
    duration_seconds,
    expanded,
    label,
    path,
    whole_number,
)

if TYPE_CHECKING:
    from kinomill.cli.parser import Parser

PRIORITIES: Final = ("interactive", "normal", "background")
STATUSES: Final = ("queued", "running", "succeeded", "failed", "canceled")


def add_submit(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain("""
    Inputs are those of the model. A media input is a file (@FILE) or an address (https://…);
    everything else is written as it is: fps=30. Ctrl-C stops waiting, but not the job.

    The server is the one of KINOMILL_URL (default http://127.0.0.1:8000), called with
    KINOMILL_KEY. Exit code: 0 with a result, 1 if the job failed or was refused, 2 for wrong
    arguments, 130 by Ctrl-C.

    Example: kinomill submit preview-lipsync image=@face.jpg audio=@voice.wav fps=30
    """)
    add = parser.add_argument
    add("model", metavar="MODEL", help="Name of a model; see `kinomill models`.")
    add("fields", metavar="FIELD=VALUE", nargs="+", help="An input; FIELD=@FILE uploads a file.")
    add(
        "-o",
        "--out",
        metavar="PATH",
        type=expanded,
        help="File or folder for the result; default: out/JOB.mp4, .png …",
    )
    add(
        "--wait",
        action=BooleanOptionalAction,
        default=True,
        help="Wait for the job and save its result; else print its id and exit.",
    )
    add(
        "--dry-run",
        action="store_true",
        help="Print what the job would take (seconds, GPU-seconds, place in the queue); submit "
        "nothing.",
    )
    _add_options(parser)
    parser.add_json()


def _add_options(parser: Parser) -> None:
    """Add the options of a submission that all models share."""
    add = parser.add_argument
    parser.add_idempotency_key()
    add(
        "--priority",
        choices=PRIORITIES,
        default="normal",
        help="Which jobs run first; waiting raises a job's priority. Default: normal.",
    )
    add("--webhook", metavar="URL", help="Address to notify when the job has ended.")
    add(
        "--label",
        metavar="NAME=VALUE",
        type=label,
        action="append",
        default=[],
        help="A label to find the job by (`kinomill list --label`). Repeatable.",
    )
    add(
        "--ttl",
        metavar="TIME",
        type=duration_seconds,
        help="How long inputs and result are kept: seconds, or e.g. 12h, 7d.",
    )
    add(
        "--start-within",
        metavar="TIME",
        type=duration_seconds,
        help="Let the job fail if no worker has started it by then: seconds, or e.g. 10m.",
    )


def add_remove_background(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain("""
    Sends a picture and saves the result, in one request for most pictures. Further inputs of the
    model may follow: output=blur, color=#00ff00, background=@beach.jpg.

    Example: kinomill remove-background photo.jpg --out cutout.png
    """)
    add = parser.add_argument
    add("picture", metavar="PICTURE", help="A file, or an address (https://…).")
    add("fields", metavar="FIELD=VALUE", nargs="*", help="An input; FIELD=@FILE uploads a file.")
    add(
        "-o",
        "--out",
        metavar="PATH",
        type=expanded,
        help="File or folder for the result; default: out/JOB.png …",
    )
    add(
        "--format",
        choices=("png", "webp", "jpeg"),
        help="File format; default: what the extension of --out says, else png.",
    )
    add("--model", metavar="MODEL", help="Default: one that a worker serves now.")
    parser.add_json()


def add_status(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain("Example: kinomill status job_019aa7e0c1de7c52b1f3d8a6f0a4b7c9")
    parser.add_job()
    parser.add_argument("--json", action="store_true", help="The default: the output is JSON.")


def add_watch(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain("""
    Shows a bar in a terminal, else a line for each change: time, status, phase, progress. With
    --json each line is the job as a JSON object. If the connection breaks or the server restarts,
    it goes on from the last change. Ctrl-C stops watching, but not the job.

    Exit code: 0 if the job has succeeded, 1 if it has failed or was canceled, 124 after --timeout
    (the job goes on), 130 by Ctrl-C.

    Example: kinomill watch job_019aa7e0c1de7c52b1f3d8a6f0a4b7c9
    """)
    parser.add_job()
    _add_timeout(parser, "How long to watch: seconds, or e.g. 30m. Default: until it has ended.")
    parser.add_argument("--json", action="store_true", help="Print a JSON object for each change.")


def _add_timeout(parser: Parser, text: str) -> None:
    parser.add_argument("--timeout", metavar="TIME", type=duration_seconds, help=text)


def add_wait(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain("""
    Prints the id and the status of each job. Exit code: 0 if all have succeeded, 1 if one has
    failed or was canceled, 124 after --timeout: the jobs go on.
    """)
    parser.add_argument("jobs", metavar="JOB", nargs="+", help="Id of a job: job_…")
    _add_timeout(
        parser, "How long to wait for each job: seconds, or e.g. 30m. Default: until it has ended."
    )
    parser.add_json()


def add_download(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain("""
        Example: kinomill download job_019aa7e0c1de7c52b1f3d8a6f0a4b7c9 --out video.mp4
        """)
    parser.add_job()
    parser.add_argument(
        "-o",
        "--out",
        metavar="PATH",
        type=expanded,
        help="File or folder for the result; default: out/JOB.mp4, .png …",
    )
    parser.add_argument(
        "--name", metavar="NAME", help="Save this one of `result.files` instead of the result."
    )
    parser.add_argument(
        "--poster", action="store_true", help="Save the poster, a small JPEG, instead."
    )
    parser.add_json()


def add_logs(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain("""
    Prints a line for each event: time, attempt, level, event, fields. While the job runs, events
    appear with the next heartbeat of its worker, a few seconds late.

    Example: kinomill logs job_019aa7e0c1de7c52b1f3d8a6f0a4b7c9 --follow
    """)
    parser.add_job()
    add = parser.add_argument
    add("--attempt", metavar="N", type=whole_number(1), help="Only this attempt.")
    add("--follow", action="store_true", help="Print further lines until the job has ended.")
    add("--json", action="store_true", help="Print a JSON object for each line, for programs.")


def add_retry(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain("""
    Submits the input of a job that has ended again, files included, and prints the id of the new
    job. A seed that the server drew is drawn again.

    Example: kinomill retry job_019aa7e0c1de7c52b1f3d8a6f0a4b7c9
    """)
    parser.add_job()
    add = parser.add_argument
    add("--exact", action="store_true", help="Keep the seed and the revision of the weights.")
    parser.add_idempotency_key()
    parser.add_json()


def add_share(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain("""
    Prints the link: the job and its result without its input, for anyone who has it, without a
    key, until it ends or is revoked.

    Example: kinomill share job_019aa7e0c1de7c52b1f3d8a6f0a4b7c9 --expires 12h
    """)
    parser.add_job()
    add = parser.add_mutually_exclusive_group().add_argument
    add(
        "--expires",
        metavar="TIME",
        type=duration_seconds,
        help="When the link ends: seconds, or e.g. 12h; a minute to 30d. Default: 7d.",
    )
    add("--list", action="store_true", help="List the links of the job with their ids.")
    add("--revoke", metavar="SHARE", help="Revoke the link with this id: share_…")
    parser.add_json()


def add_list(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain("""
    Prints a line for each job: id, status, model, time of submission, labels.

    Example: kinomill list --status failed --label team=ads
    """)
    add = parser.add_argument
    add("--status", choices=STATUSES, help="Only jobs with this status.")
    add("--model", metavar="MODEL", help="Only jobs of this model.")
    add(
        "--label",
        metavar="NAME=VALUE",
        type=label,
        action="append",
        default=[],
        help="Only jobs with this label. Repeatable.",
    )
    add("--account", metavar="NAME", help="Another account, or '*' for all: needs scope admin.")
    add("--limit", metavar="N", type=whole_number(1), default=50, help="At most N. Default: 50.")
    add("--all", action="store_true", help="All jobs, whatever --limit says.")
    parser.add_json()


def add_cancel(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain("""
    Cancels it at once while it is queued, at its next step while it runs. Prints `canceled`, or
    `cancel requested` while the worker has yet to stop. A job that has ended cannot be canceled
    (exit code 1).
    """)
    parser.add_job()
    parser.add_json()


def add_delete(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain("""
    A job that is queued or running is not deleted (exit code 1): cancel it first. To delete a job
    that does not exist is no error.
    """)
    parser.add_job()
    parser.add_json()


def add_files(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain("""
    upload sends files and prints their ids, which any number of jobs take as a media input. A file
    of the same content that the server has is not sent again, and one whose upload broke goes on
    where it stopped: run the same command again. list prints a line for each file: id, bytes, type,
    when it expires, name. delete deletes files by their ids, but none that a queued or running job
    needs (exit code 1).

    Examples: kinomill files upload face.jpg voice.wav
              kinomill submit preview-lipsync image=file_7f89… audio=file_be15…
    """)
    add = parser.add_argument
    add("action", choices=("upload", "list", "delete"), help="What to do.")
    add("items", metavar="FILE", nargs="*", help="Paths to upload, or ids to delete.")
    add("--ttl", metavar="TIME", type=duration_seconds, help="How long it is kept: e.g. 12h, 7d.")
    add("--new", action="store_true", help="Upload a file even if the server has its content.")
    add("--limit", metavar="N", type=whole_number(1), default=50, help="At most N. Default: 50.")
    add("--all", action="store_true", help="All files, whatever --limit says.")
    parser.add_json()


def add_backfill(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain(
        """
        ROWS is a .csv, .tsv or .jsonl file. A row is an input of the model: one JSON object per
        line, or a CSV line whose columns are inputs (an empty cell: not given). Delimiter (`,`,
        `;`, tab, `|`) and encoding (UTF-8, UTF-16) are detected. A cell @PATH uploads a file,
        relative to the rows file; an https:// address is sent as it is. A column `key` gives a
        row its own Idempotency-Key.

        After Ctrl-C, a crash or a kill the same command resumes where it stopped, and no row gets
        a second job. Rows are identified by line number and content: a changed row is a new one.
        Rows that never became a job are tried again; for failed jobs, run failures.csv as ROWS:
        its column `row` keeps the number of each row.

        ROWS.kinomill/ holds results.jsonl and results.csv (row, job, status, details of the
        result, path or url; written as they come), failures.csv (the failed rows with code and
        detail; one that you have edited is kept, and the next is failures-2.csv) and
        journal.jsonl. Delete the folder to start over. In the CSV reports a cell that a
        spreadsheet would take for a formula starts with an apostrophe, which is taken away again
        when failures.csv is run.

        A result that exists is never overwritten by that of another job, which is then saved as
        NAME-JOB.mp4. The extension is that of what was made, e.g. .png.

        Exit code: 0 all done, 1 some rows failed, 2 wrong arguments or stopped by --max-failures,
        130 by Ctrl-C.

        Example: kinomill backfill rows.csv --model preview-lipsync --download videos
        """
    )
    add = parser.add_argument
    add("rows", metavar="ROWS", type=path, help="A .csv, .tsv or .jsonl file.")
    add("--model", metavar="MODEL", required=True, help="Name of a model; see `kinomill models`.")
    add("--download", metavar="DIR", type=path, help="Save each result here, as <row>.mp4 …")
    add("--name", metavar="COLUMN", help="Column that names each result, instead of the row.")
    add(
        "--label",
        metavar="COLUMN",
        action="append",
        default=[],
        help="Column that becomes a label of each job; NAME=VALUE is one for all. Repeatable.",
    )
    _add_columns(parser, "--files", "Column of paths without an @. Repeatable.")
    _add_columns(parser, "--ignore", "Column that is no input; the results repeat it. Repeatable.")
    add("--priority", choices=PRIORITIES, default="background", help="Default: background.")
    add(
        "--concurrency",
        metavar="N",
        type=whole_number(1, 100),
        default=8,
        help="Jobs in flight at once. Default: 8.",
    )
    add("--ttl", metavar="TIME", type=duration_seconds, help="How long results are kept: e.g. 7d.")
    add("--max-failures", metavar="N", type=whole_number(1), help="Stop once N rows have failed.")
    add("--dry-run", action="store_true", help="Let the server check every row; submit nothing.")
    add("--state", metavar="DIR", type=path, help="Journal and reports; default: ROWS.kinomill.")
    parser.add_json()


def _add_columns(parser: Parser, option: str, text: str) -> None:
    parser.add_argument(option, metavar="COLUMN", action="append", default=[], help=text)
