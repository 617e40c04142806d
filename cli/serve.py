"""The programs of a deployment, one command each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.errors import StackError
from cli.python import exec_module
from kinomill.cli.parser import whole_number
from runtime.host_names import CannotListen, is_loopback, require_listenable

if TYPE_CHECKING:
    from argparse import Namespace

    from api.settings import ApiSettings
    from kinomill.cli.parser import Parser
    from runtime.settings import MigrationSettings

WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared, not listened on
"""Addresses to listen on that mean all addresses of the machine."""
FLOWER_USER = "kinomill"
"""User of Flower's page, with the password of KINOMILL_FLOWER_PASSWORD."""


def add_api(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain(
        """
        Each request needs a key (see `kinomill keys`), unless the API listens on this machine
        only; KINOMILL_AUTH=keys requires one there, too.
        """
    )
    _add_address(parser, port=8000)


def run_api(given: Namespace) -> int:
    """Serve the HTTP API."""
    from api.__main__ import main, quick_imports

    with quick_imports():
        from models.catalog import UnknownModel

        settings = settings_for_host(given.host)
    try:
        main(settings, host=given.host, port=given.port)
    except UnknownModel as error:
        raise StackError(f"KINOMILL_MODELS: {error}") from error
    except CannotListen as error:
        raise StackError(str(error)) from error
    return 0


def settings_for_host(host: str) -> ApiSettings:
    """Settings of an API that listens on `host`: without keys on the loopback interface only."""
    from api.settings import ApiSettings
    from cli.settings import CliSettings

    settings = ApiSettings()
    allowed = is_loopback(host) or CliSettings().allow_anonymous
    update: dict[str, object] = {}
    if host not in WILDCARDS:
        update["allowed_hosts"] = (*settings.allowed_hosts, host.lower())
    if "auth" not in settings.model_fields_set:
        update["auth"] = "off" if allowed else "keys"
        return settings.model_copy(update=update)
    if settings.auth == "off" and not allowed:
        raise StackError(
            f"KINOMILL_AUTH=off allows everybody, so the API cannot use {host}: use 127.0.0.1 "
            "or, behind your own gateway, set KINOMILL_ALLOW_ANONYMOUS=true."
        )
    return settings.model_copy(update=update)


def add_worker(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain(
        """
        The weights are pulled and checked before a model loads, so its libraries download nothing
        (HF_HUB_OFFLINE); their caches are beside the weights. Set HF_HOME, TORCH_HOME or
        HF_HUB_OFFLINE to change that.
        """
    )
    parser.add_argument(
        "--name",
        default="kinomill@%h-%g-%b",
        help="Name in monitors, which no other live worker may have: %%h becomes the host's name, "
        "%%g the GPUs of CUDA_VISIBLE_DEVICES, %%b digits that are new at each start.",
    )
    parser.add_argument(
        "--gpus",
        metavar="all|N|0,1",
        help="Start one worker for each of these GPUs: all, the first N, or a list of numbers or "
        "UUIDs. The health port of the second worker is KINOMILL_HEALTH_PORT plus 1, and so on. "
        "Default: KINOMILL_GPUS, else one worker.",
    )
    parser.add_argument(
        "--exit-when-idle",
        metavar="SECONDS",
        type=whole_number(1),
        help="End when there was nothing to run for so long. Default: KINOMILL_EXIT_WHEN_IDLE, "
        "else never.",
    )


def run_worker(given: Namespace) -> int:
    """Run a worker, or the program that starts one for each GPU, in place of this process."""
    from workers.gpus.settings import requested_gpus

    gpus = given.gpus or requested_gpus()
    program = ["workers"] if gpus is None else ["workers.gpus", "--gpus", gpus]
    idle = given.exit_when_idle
    variables = {} if idle is None else {"KINOMILL_EXIT_WHEN_IDLE": str(idle)}
    exec_module(*program, "--hostname", given.name, **variables)


def add_maintenance(_: Parser) -> None:
    """Add no arguments: all is set by the environment."""


def run_maintenance(_: Namespace) -> int:
    """Run maintenance in place of this process."""
    exec_module("maintenance")


def add_flower(parser: Parser) -> None:
    """Add the arguments."""
    parser.explain("It needs the extra `flower`, and is read-only by default.")
    _add_address(parser, port=5555)
    parser.add_argument(
        "--control",
        action="store_true",
        help="Allow to stop workers and revoke tasks from the page.",
    )


def run_flower(given: Namespace) -> int:
    """Run Flower in place of this process."""
    from cli.settings import CliSettings, environment, variable
    from kinomill.settings import ClientSettings

    settings = CliSettings()
    if settings.redis_url is None:
        raise StackError(
            "REDIS_URL is not set: Flower needs the URL of the broker, such as "
            "REDIS_URL=redis://127.0.0.1:6379/0."
        )
    password = settings.flower_password and settings.flower_password.get_secret_value()
    login = f"{FLOWER_USER}:{password}" if password else environment().get("FLOWER_BASIC_AUTH", "")
    _require_login(given.host, login, control=given.control, anonymous=settings.allow_anonymous)
    try:
        require_listenable(given.host, given.port)
    except CannotListen as error:
        raise StackError(str(error)) from error
    options = [
        f"--address={given.host}",
        f"--port={given.port}",
        "--persistent=False",
        "--conf=/dev/null",
        "--natural_time=True",
    ]
    options += ["--task_runtime_metric_buckets=1,5,15,30,60,120,300,600,1800,3600"]
    if not given.control:
        options.append("--read_only=True")
    variables = {"CELERY_BROKER_URL": settings.redis_url.get_secret_value()}
    if login:
        variables["FLOWER_BASIC_AUTH"] = login
    allowed = (
        settings.allowed_hosts if given.host in WILDCARDS else (*settings.allowed_hosts, given.host)
    )
    public_url = variable("KINOMILL_PUBLIC_URL") or ClientSettings.from_environment().url
    exec_module("cli.flower", ",".join(allowed), public_url, *options, **variables)


def _require_login(host: str, login: str, *, control: bool, anonymous: bool) -> None:
    """Refuse to start a page that strangers could use. Raises `StackError`."""
    if login:
        return
    remedy = (
        "set KINOMILL_FLOWER_PASSWORD to a password of 8 or more characters "
        f"(the user is {FLOWER_USER})"
    )
    if control:
        raise StackError(f"--control lets the page stop workers, so it needs a login: {remedy}.")
    if not is_loopback(host) and not anonymous:
        raise StackError(
            f"Flower shows all jobs to everybody who reaches {host}: {remedy}, use 127.0.0.1 or, "
            "behind your own gateway, set KINOMILL_ALLOW_ANONYMOUS=true."
        )


def add_migrate(_: Parser) -> None:
    """Add no arguments: the database is that of the settings."""


def run_migrate(_: Namespace) -> int:
    """Upgrade the database, and let autoscalers read the depth of its queues."""
    from cli.stack import grant_to_autoscalers
    from cli.stack import migrate as upgrade
    from kinomill.cli.output import say
    from migrations.autoscaler import MISSING
    from runtime.settings import MigrationSettings

    settings = MigrationSettings()
    url = _direct_url(settings)
    before, newest = upgrade(url, pooler=settings.database_pooler)
    say(f"database at {newest}" + (" already" if before == newest else ""))
    if not grant_to_autoscalers(url):
        say(f"note: {MISSING}")
    return 0


def _direct_url(settings: MigrationSettings) -> str:
    try:
        return settings.direct_url
    except ValueError as error:
        raise StackError(str(error)) from error


def _add_address(parser: Parser, *, port: int) -> None:
    ports = whole_number(1, 65_535)
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="Address to listen on. Default: 127.0.0.1.")
    add("--port", type=ports, default=port, help=f"Port to listen on. Default: {port}.")
