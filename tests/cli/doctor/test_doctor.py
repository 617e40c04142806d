"""The output of `kinomill doctor`."""

from __future__ import annotations

import json
import threading

import pytest

from cli.doctor.check import Check, Status, fail, ok, run_checks
from jobs import maintenance_beats
from tests.api.serving import closed_port
from tests.cli.test_main import kinomill

SECRET = "a secret of the tests, long enough"


@pytest.fixture
def variables(database_url, broker_url, tmp_path):
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": broker_url,
        "KINOMILL_STORAGE": str(tmp_path / "store"),
        "KINOMILL_SECRET_KEY": SECRET,
        "KINOMILL_HOME": str(tmp_path / "home"),
        "KINOMILL_PUBLIC_URL": f"http://127.0.0.1:{closed_port()}",  # no API runs there
    }


def results(shown):
    return {result["check"]: result for result in json.loads(shown.stdout)["checks"]}


def test_an_installation_in_order_ends_with_0(variables, sessions):
    with sessions.begin() as session:
        maintenance_beats.beat(session, "maintenance of this test")
    shown = kinomill("doctor", "--json", **variables)

    assert shown.returncode == 0, shown.stdout
    assert json.loads(shown.stdout)["ok"]
    assert results(shown)["settings"]["detail"] == "complete"
    assert {"database", "migrations", "broker memory", "storage", "GPU"} <= results(shown).keys()


def test_unreachable_servers_end_with_1_and_the_other_checks_are_shown(variables):
    port = closed_port()
    dead = {
        "DATABASE_URL": f"postgresql://me:open-sesame@127.0.0.1:{port}/kinomill",
        "REDIS_URL": f"redis://:open-sesame@127.0.0.1:{port}/0",
    }

    shown = kinomill("doctor", **variables | dead)

    assert shown.returncode == 1
    assert "correct DATABASE_URL" in shown.stdout
    assert "correct REDIS_URL" in shown.stdout
    assert "written and read" in shown.stdout
    for word in ("open-sesame", SECRET, "Traceback"):
        assert word not in shown.stdout + shown.stderr


def test_an_installation_that_does_not_run_is_reported(tmp_path):
    shown = kinomill("doctor", "--home", str(tmp_path))

    assert shown.returncode == 1
    assert "nothing runs in" in shown.stdout
    assert "kinomill up" in shown.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_embedded_servers_of_a_data_folder_are_found(home, database_url, broker_url):
    shown = kinomill("doctor", "--json", "--home", str(home))

    assert results(shown)["database"]["status"] == "ok"
    assert results(shown)["broker"]["status"] == "ok"


def test_invalid_and_misspelled_settings_are_named(variables):
    wrong = {"KINOMILL_LEASE_TTL": "soon", "KINOMILL_STORGE": "/data"}

    shown = kinomill("doctor", **variables | wrong)

    assert "KINOMILL_LEASE_TTL" in shown.stdout
    assert "unknown: KINOMILL_STORGE" in shown.stdout


@pytest.mark.parametrize(
    ("variable", "value", "detail"),
    [
        ("KINOMILL_MODELS", "wave2lip", "there is no model 'wave2lip'; did you mean 'wav2lip'?"),
        ("KINOMILL_WEIGHTS_PROFILES", "wave2lip=x", "there is no model 'wave2lip'; did you mean"),
        ("KINOMILL_ACCEPT_LICENSES", "wave2lip", "there is no model 'wave2lip'; did you mean"),
        ("KINOMILL_WEIGHTS_ADOPT", "/no/such/folder", "there is no folder /no/such/folder here"),
    ],
)
def test_a_name_in_a_setting_that_nothing_has_is_named(variables, variable, value, detail):
    shown = kinomill("doctor", "--json", **variables | {variable: value})

    found = results(shown)["settings"]
    assert found["status"] != "ok"
    assert variable in found["detail"]
    assert detail in found["detail"]


def test_line_ends_of_windows_around_values_change_nothing(variables, tmp_path):
    windows = variables | {"KINOMILL_SCRATCH": str(tmp_path)}

    shown = kinomill("doctor", "--json", **{name: f"{text}\r" for name, text in windows.items()})

    found = results(shown)
    assert found["scratch disk"]["status"] == "ok"
    assert found["storage link"]["status"] == "warn"
    assert found["storage delete"]["status"] == "ok"


def test_a_check_that_hangs_or_raises_does_not_hide_the_others():
    never = threading.Event()

    def hang():
        yield ok("slow", "begun")
        never.wait()

    def broken():
        yield ok("broken", "begun")
        raise ZeroDivisionError("oops")

    checks = [
        Check("slow", hang),
        Check("broken", broken),
        Check("last", lambda: iter([ok("l", "")])),
    ]
    found = run_checks(checks, timeout_seconds=0.3)
    never.set()

    assert [(one.check, one.status) for one in found] == [
        ("slow", Status.OK),
        ("slow", Status.FAIL),
        ("broken", Status.OK),
        ("broken", Status.FAIL),
        ("l", Status.OK),
    ]
    assert found[3] == fail("broken", "ZeroDivisionError: oops", found[3].remedy)
