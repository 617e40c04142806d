"""The arguments of `kinomill batches` and `deliveries`, and what `--help` says about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kinomill.cli.parser import duration_seconds, expanded, whole_number

if TYPE_CHECKING:
    from kinomill.cli.parser import Parser

PRIORITIES: Final = ("interactive", "normal", "background")
STATUSES: Final = ("pending", "delivered", "failed")


def add_batches(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain("""
    submit ROWS     submit the rows of a file, all of them or none, and follow them
    list            the batches, newest first
    show BATCH      its rows by status, failed ones by code, and the time that is left
    wait BATCH      follow it until all rows have ended
    cancel BATCH    cancel all rows that have not ended
    retry BATCH     submit the failed rows again
    download BATCH  save all results as one ZIP archive

    ROWS is a .csv, .tsv or .jsonl file of up to 10,000 rows, as `kinomill backfill` takes it: a row
    is an input of the model, a cell @PATH uploads a file, a column `key` gives a row its own
    Idempotency-Key. The same command never submits a row twice: after a crash, run it again.

    Exit code: 0 all done, 1 some rows failed or were refused, 2 wrong arguments, 130 by Ctrl-C: the
    batch goes on.

    Examples: kinomill batches submit rows.csv --model preview-lipsync
              kinomill batches download batch_019aa7e0c1de7c52b1f3d8a6f0a4b7c9 --out videos.zip
    """)
    add = parser.add_argument
    acts = ("submit", "list", "show", "wait", "cancel", "retry", "download")
    add("act", metavar="ACT", choices=acts, help=", ".join(acts))
    add("what", metavar="ROWS|BATCH", nargs="?", help="A file of rows, or the id of a batch.")
    add("--model", metavar="MODEL", help="submit: name of a model; see `kinomill models`.")
    add(
        "--label",
        metavar="COLUMN",
        action="append",
        default=[],
        help="submit: column that becomes a label; NAME=VALUE is one for all. Repeatable.",
    )
    add(
        "--files",
        metavar="COLUMN",
        action="append",
        default=[],
        help="submit: column of paths without an @. Repeatable.",
    )
    add(
        "--ignore",
        metavar="COLUMN",
        action="append",
        default=[],
        help="submit: column that is no input. Repeatable.",
    )
    add("--priority", choices=PRIORITIES, default="background", help="Default: background.")
    add("--ttl", metavar="TIME", type=duration_seconds, help="submit: how long results are kept.")
    add("--webhook", metavar="URL", help="submit: address to notify of the end of each job.")
    parser.add_idempotency_key("submit: default: a hash of the rows.")
    add("--no-wait", action="store_true", help="submit: print the id and exit.")
    add("--limit", metavar="N", type=whole_number(1, 200), default=50, help="list: at most N.")
    add("-o", "--out", metavar="PATH", type=expanded, help="download: file or folder; else: here.")
    parser.add_json()


def add_deliveries(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain("""
    list          (default) deliveries of your webhooks, newest first
    redeliver ID  send one again: ID is msg_… of a delivery
    redeliver     with --url: send all failed ones to an address again

    Example: kinomill deliveries list --status failed
    """)
    add = parser.add_argument
    add("act", metavar="ACT", nargs="?", choices=("list", "redeliver"), default="list",
        help="list, redeliver")  # fmt: skip
    add("delivery", metavar="ID", nargs="?", help="redeliver: id of a delivery: msg_…")
    add("--job", metavar="JOB", help="list: only those of this job.")
    add("--status", choices=STATUSES, help="list: only with this status.")
    add("--url", metavar="URL", help="list: only to this address; redeliver: all failed to it.")
    add("--limit", metavar="N", type=whole_number(1, 200), default=50, help="list: at most N.")
    parser.add_json()
