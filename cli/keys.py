"""`kinomill keys`: creates, lists and revokes API keys."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy.exc import DBAPIError

from accounts import api_keys, audit
from accounts.api_keys import Scope
from cli.database_fault import fault_of
from cli.embedded.home import HomeOption, home_folder
from cli.errors import StackError
from cli.settings import CliSettings
from jobs.webhooks import rotation, signing
from kinomill.cli.output import print_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

    from accounts.tables import ApiKey

ScopeOption = Annotated[
    list[Scope], typer.Option("--scope", help="What the key allows. Repeatable.")
]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

group = typer.Typer(
    no_args_is_help=True,
    help="Create, list and revoke API keys. They are stored in the database of DATABASE_URL; "
    "without that variable, in that of the `kinomill up` that runs on this machine.",
)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="keys", rich_help_panel="Programs of a deployment")


@group.command()
def create(
    account: Annotated[str, typer.Argument(help="Account whose jobs the key submits and sees.")],
    name: Annotated[str, typer.Option(help="A note for yourself, e.g. who uses the key.")] = "",
    scope: ScopeOption = [Scope.SUBMIT, Scope.READ],  # noqa: B006 - Typer copies it
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Create a key and print it. It is shown only once: only its digest is stored.

    Scope `submit` allows to submit, cancel and delete jobs, `read` to see
    them, `admin` both. On a server without keys (`KINOMILL_AUTH=off`, as in
    `kinomill up`) all jobs belong to the account `local`.
    """
    with _session(home) as session:
        try:
            row, secret = api_keys.create(session, account=account, name=name, scopes=scope)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    if as_json:
        print_json(_described(row) | {"key": secret})
        return
    typer.echo(f"{row.id} of {row.account}, shown only once:", err=True)
    typer.echo(secret)


@group.command("list")
def list_keys(home: HomeOption = None, as_json: AsJson = False) -> None:
    """List all keys, including revoked ones."""
    if as_json:
        with _session(home) as session:
            print_json([_described(row) for row in api_keys.list_keys(session)])
        return
    table = Table.grid(padding=(0, 2))
    table.add_row("id", "account", "name", "prefix", "scopes", "created", "revoked")
    with _session(home) as session:
        for row in api_keys.list_keys(session):
            revoked = f"{row.revoked_at:%Y-%m-%d %H:%M}" if row.revoked_at else ""
            created = f"{row.created_at:%Y-%m-%d %H:%M}"
            scopes = " ".join(row.scopes)
            table.add_row(
                row.id, row.account, escape(row.name), row.prefix, scopes, created, revoked
            )
    Console(width=300).print(table, highlight=False)  # a truncated id is useless


@group.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="Id of the key: key_…")],
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a key: from now on, requests with it are refused."""
    with _session(home) as session:
        row = api_keys.revoke(session, key)
    if row is None:
        raise StackError(f"no key {key}; see `kinomill keys list`")
    if as_json:
        print_json(_described(row))
    else:
        typer.echo(f"{row.id} of {row.account} is revoked")


@group.command("webhook-secret")
def webhook_secret(
    account: Annotated[str, typer.Argument(help="Account whose webhooks you verify.")],
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Begin a new secret, and print that.")
    ] = False,
    overlap: Annotated[
        float, typer.Option(help="Hours for which the secret before it signs, too.", min=0, max=720)
    ] = 24.0,
    home: HomeOption = None,
) -> None:
    """Print the secret that signs the webhooks of an account (Standard Webhooks: `whsec_…`).

    With `--rotate` messages carry two signatures for a day, so that receivers can
    change over.

    It is derived from KINOMILL_SECRET_KEY; without that variable, from the secret
    of the `kinomill up` on this machine.
    """
    try:
        api_keys.check_account(account)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    key = _secret_key(home).encode()
    version = _rotated(account, overlap, home) if rotate else _secret_version(account, home)
    typer.echo(signing.format_secret(signing.secret_of(account, key, version)))


def _rotated(account: str, overlap_hours: float, home: Path | None) -> int:
    with _session(home) as session:
        version = rotation.rotate(session, account, overlap=timedelta(hours=overlap_hours))
        details = {"version": version, "overlap_hours": overlap_hours}
        audit.record(session, audit.command_line(), "webhook_secret.rotate", account, **details)
    return version


def _secret_version(account: str, home: Path | None) -> int:
    """That of the newest secret; without a database the first one, with a remark."""
    try:
        with _session(home) as session:
            return rotation.version(session, account)
    except StackError as error:
        typer.echo(f"the first secret, if it was not rotated: {error}", err=True)
        return 1


def _described(row: ApiKey) -> dict[str, Any]:
    return {
        "id": row.id,
        "account": row.account,
        "name": row.name,
        "prefix": row.prefix,
        "scopes": list(row.scopes),
        "created_at": row.created_at.isoformat(),
        "revoked_at": row.revoked_at and row.revoked_at.isoformat(),
    }


@contextmanager
def _session(home: Path | None) -> Iterator[Session]:
    from runtime.database import create_database_engine, create_session_factory
    from runtime.postgres.connections import COMMAND

    pooler = CliSettings().database_pooler
    engine = create_database_engine(_database_url(home), COMMAND, pooler=pooler)
    try:
        with create_session_factory(engine).begin() as session:
            yield session
    except DBAPIError as error:
        raise StackError(str(fault_of(error))) from error
    finally:
        engine.dispose()


def _database_url(home: Path | None) -> str:
    settings = CliSettings()
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    from cli.embedded.postgres import Postgres

    folder = home_folder(settings, home)
    server = Postgres(folder)
    if not (folder.exists() and server.running()):
        raise StackError("set DATABASE_URL, or start Kinomill here with `kinomill up`")
    return server.start()  # it runs already: this returns its URL


def _secret_key(home: Path | None) -> str:
    settings = CliSettings()
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    path = home_folder(settings, home) / "secret"
    if not path.exists():
        raise StackError("set KINOMILL_SECRET_KEY, or start Kinomill here with `kinomill up`")
    return path.read_text()
