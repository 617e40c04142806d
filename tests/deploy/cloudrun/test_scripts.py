"""The scripts of `deploy/cloudrun`: what they print, create, leave alone and delete."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from tests.deploy.cloudrun.conftest import ROOT, SCRIPTS
from tests.deploy.cloudrun.fake_gcloud import MAKE

GOLDEN = ROOT / "tests" / "deploy" / "cloudrun" / "golden"
RUNS = {
    "setup": [],
    "weights": [],
    "weights-local": ["--local", "musetalk=parser"],
    "build": [],
    "build-local": ["--local"],
    "deploy": [],
    "teardown": [],
    "teardown-data": ["--data"],
}
NAMES = ("setup", "weights", "build", "deploy", "teardown")


def made(calls):
    """The commands that create something."""
    return [call for call in calls if MAKE & set(call)]


def test_the_scripts_are_those_of_this_test():
    assert {path.stem for path in SCRIPTS.glob("*.sh")} == {*NAMES, "lib"}


@pytest.mark.parametrize("name", RUNS)
def test_a_dry_run_prints_every_command_and_runs_none(cloudrun, name):
    script = name.partition("-")[0]

    result = cloudrun(script, "--dry-run", "--out", cloudrun.out, *RUNS[name])

    printed = result.out.replace(str(cloudrun.out), "OUT").replace(str(ROOT), "ROOT")
    # The digest of a file that the tests of its content know.
    printed = re.sub(r"\bv-\d+-\d+\b", "v-DIGEST", printed)
    assert (result.code, result.err, cloudrun.calls) == (0, "", [])
    assert printed == (GOLDEN / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", RUNS)
def test_a_dry_run_prints_what_a_shell_can_read(name):
    done = subprocess.run(
        ["bash", "-n", GOLDEN / f"{name}.txt"], capture_output=True, text=True, timeout=20
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", NAMES)
def test_help_names_every_option(cloudrun, name):
    result = cloudrun(name, "--help", env=False)

    text = (SCRIPTS / f"{name}.sh").read_text()
    options = set(re.findall(r"^ +(--[a-z]+)\)", text, re.MULTILINE)) | {"--env", "--dry-run"}
    assert result.code == 0
    assert result.out.startswith(f"Usage: deploy/cloudrun/{name}.sh")
    assert all(f"  {option}" in result.out for option in options)


def test_setup_creates_what_is_missing_and_then_nothing(cloudrun):
    first = cloudrun("setup")
    created = cloudrun.resources
    cloudrun.forget_calls()

    second = cloudrun("setup")

    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert made(cloudrun.calls) == []
    assert cloudrun.resources == created
    assert {name.rpartition(" ")[0] for name in created} >= {
        "sql instances", "redis instances", "secrets", "storage buckets", "iam service-accounts",
    }  # fmt: skip


def test_secrets_are_random_and_no_argument_of_a_command(cloudrun):
    cloudrun("setup")

    secrets = {
        name.removeprefix("secrets kinomill-"): value
        for name, value in cloudrun.resources.items()
        if name.startswith("secrets ")
    }
    assert re.fullmatch("[0-9a-f]{64}", secrets["secret-key"])
    assert re.fullmatch("[0-9a-f]{48}", secrets["database-password"])
    assert secrets["redis-url"] == "redis://:auth@10.1.2.4:6379/0"
    words = " ".join(word for call in cloudrun.calls for word in call)
    assert not any(value in words for value in secrets.values())
    assert list(cloudrun.folder.glob("tmp.*")) == []


def test_no_account_has_a_role_on_the_project_that_it_can_have_on_less(cloudrun):
    cloudrun("setup")

    roles = {
        (call[-3].partition("@")[0].rpartition("-")[2], call[-2].rpartition("/")[2])
        for call in cloudrun.calls
        if call[:2] == ["projects", "add-iam-policy-binding"]
    }
    assert roles == {
        ("crema", "parametermanager.parameterViewer"), ("crema", "monitoring.viewer"),
        ("maintenance", "monitoring.metricWriter"), ("build", "cloudbuild.builds.builder"),
    }  # fmt: skip


def test_a_failed_command_ends_the_script_and_names_the_step(cloudrun):
    cloudrun.fail("sql instances create")

    result = cloudrun("setup")

    assert result.code == 1
    assert result.err.splitlines()[-1].startswith(
        "setup.sh: the step 'create the database server' failed: gcloud sql instances create "
    )
    assert result.err.endswith(" ended with exit code 7\n")
    assert not any(call[:2] == ["redis", "instances"] for call in cloudrun.calls)


@pytest.mark.parametrize(
    ("script", "text", "step"),
    [
        ("deploy", "jobs execute", "upgrade the database"),
        ("deploy", "value(ipAddresses", "look up the address of the database"),
        ("build", "builds submit", "build the image api"),
        ("weights", "builds submit", "copy the weights of musetalk in a build"),
    ],
)
def test_each_script_names_the_step_that_failed(installed, script, text, step):
    installed.fail(text)

    result = installed(script, "--out", installed.out)

    assert result.code == 1
    assert f"{script}.sh: the step '{step}' failed: gcloud " in result.err.splitlines()[-1]


def test_images_in_the_registry_are_not_built_again(installed):
    first = installed("build")
    built = len(made(installed.calls))
    installed.forget_calls()

    installed("build")
    again = len(made(installed.calls))
    installed("build", "--force")

    assert (first.code, built, again, len(made(installed.calls))) == (0, 3, 0, 3)


def test_deploy_migrates_before_it_deploys_anything(installed):
    result = installed.deploy()

    runs = [call[1:3] for call in installed.calls if call[0] == "run" and "describe" not in call]
    assert result.code == 0, result.err
    assert runs[:4] == [
        ["jobs", "replace"],
        ["jobs", "execute"],
        ["services", "replace"],
        ["worker-pools", "replace"],
    ]
    assert (
        result.out == "deploy.sh: deployed at https://kinomill-api-123456789.europe-west4.run.app\n"
    )


def test_a_second_deployment_stores_no_second_configuration(installed):
    installed.deploy()
    installed.forget_calls()

    installed.deploy()

    assert [call for call in made(installed.calls) if call[0] == "parametermanager"] == []


def test_a_changed_configuration_of_the_autoscaler_is_a_new_version(installed):
    installed.deploy()
    installed.settings.write_text(installed.settings.read_text() + "L4_MAX=4\n")

    installed.deploy()

    versions = [name for name in installed.resources if "versions --parameter=kinomill" in name]
    assert sorted(name.split()[3] for name in versions) == [
        "--parameter=kinomill-worker-l4",
        "--parameter=kinomill-worker-l4",
        "--parameter=kinomill-worker-rtx-pro-6000",
    ]


def test_a_deployment_keeps_the_number_of_instances(installed):
    installed.deploy()
    file = installed.cloud / "resources"
    file.write_text(
        file.read_text().replace("manualInstanceCount: '0'", "manualInstanceCount: '3'")
    )

    installed.deploy()

    pools = {
        name: re.search(r"manualInstanceCount: '(\d+)'", text)[1]
        for name, text in installed.resources.items()
        if name.startswith("run worker-pools ")
    }
    assert pools == {
        "run worker-pools kinomill-maintenance": "1",
        "run worker-pools kinomill-worker-l4": "3",
        "run worker-pools kinomill-worker-rtx-pro-6000": "3",
    }


def test_a_fixed_pool_has_no_autoscaler(installed):
    installed.deploy()
    fixed = "L4_MIN=2\nL4_MAX=2\nRTX_PRO_6000_MIN=1\n"
    installed.settings.write_text(installed.settings.read_text() + fixed)

    result = installed.deploy()

    names = set(installed.resources)
    assert result.code == 0, result.err
    assert not any(name.startswith("run services") and "crema" in name for name in names)
    counts = {
        pool: re.search(r"manualInstanceCount: '(\d+)'", installed.resources[pool])[1]
        for pool in names
        if pool.startswith("run worker-pools kinomill-worker")
    }
    assert sorted(counts.values()) == ["1", "2"]


def test_metrics_are_deployed_only_for_an_autoscaler(installed):
    fixed = "L4_MIN=1\nRTX_PRO_6000_MIN=1\n"
    installed.settings.write_text(installed.settings.read_text() + fixed)

    installed.deploy()

    assert "run services kinomill-metrics" not in installed.resources
    assert "run services kinomill-api" in installed.resources


def test_teardown_deletes_what_was_deployed_and_keeps_the_data(installed):
    before = installed.resources
    installed.deploy()

    result = installed("teardown")
    again = installed("teardown")

    assert (result.code, again.code) == (0, 0), result.err + again.err
    assert installed.resources == before


def test_teardown_of_the_data_asks_for_the_project(installed):
    before = installed.resources

    refused = installed("teardown", "--data", stdin="yes\n")

    assert (refused.code, installed.resources) == (2, before)
    assert refused.err.endswith("teardown.sh: nothing was deleted\n")
    assert installed("teardown", "--data", stdin="my-project\n").code == 0
    assert set(installed.resources) == {"compute addresses kinomill-services", "peering"}


PLACE = "PROJECT=my-project\nREGION=europe-west4\n"
WRONG_SETTINGS = [
    ("", "cloudrun.env does not set PROJECT"),
    ("PROJECT=my-project", "cloudrun.env does not set REGION"),
    (
        "PROJECT=my-project\nREGION=Europe",
        "REGION is 'Europe': it must be a region such as europe-west4",
    ),
    (
        f"{PLACE}RGION=europe-west4",
        "cloudrun.env:3 sets RGION, which is no setting: see cloudrun.env.example",
    ),
    (
        f"{PLACE}POOLS=h100",
        "POOLS is 'h100': it must be l4, rtx-pro-6000, or both with a comma",
    ),
    (
        f"{PLACE}TAG=$(id)",
        "cloudrun.env:3 is not NAME=VALUE, or its value has other signs than letters, digits and "
        "_./:@,=+-",
    ),
    (f"{PLACE}L4_MAX=0", "L4_MAX is '0': it must be a number above 0"),
    (f"{PLACE}L4_MIN=2", "L4_MIN is 2, but L4_MAX is 1"),
]


@pytest.mark.parametrize(("settings", "sentence"), WRONG_SETTINGS)
def test_a_wrong_setting_is_one_sentence(cloudrun, settings, sentence):
    cloudrun.settings.write_text(settings)

    result = cloudrun("setup")

    assert (result.code, cloudrun.calls) == (2, [])
    assert result.err.startswith("setup.sh: ")
    assert result.err.endswith(f"{sentence}\n")
    assert result.err.count("\n") == 1


def test_without_settings_the_example_is_named(cloudrun):
    result = cloudrun("deploy", "--env", cloudrun.folder / "none", env=False)

    assert result.code == 2
    assert "cloudrun.env.example" in result.err


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_is_a_usage_error(cloudrun, name):
    result = cloudrun(name, "--no-such")

    assert (result.code, result.err) == (2, f"{name}.sh: unknown option --no-such; see --help\n")


def test_the_example_names_every_setting_with_its_default():
    example = (SCRIPTS / "cloudrun.env.example").read_text()
    library = (SCRIPTS / "lib.sh").read_text()
    table = re.search(r"declare -A defaults=\((.+?)\n\)", library, re.DOTALL)[1]
    defaults = dict(re.findall(r"\[([A-Z0-9_]+)\]=(\S*)", table))

    shown = dict(re.findall(r"^# ([A-Z][A-Z0-9_]*)=(\S*)", example, re.MULTILINE))
    assert shown | {"PROJECT": "''", "REGION": "''"} == {
        name: value if name in {"PROJECT", "REGION"} else value.strip("'")
        for name, value in defaults.items()
    }


def test_models_without_weights_are_not_copied(installed):
    text = installed.settings.read_text().replace("=musetalk,", "=preview-lipsync,musetalk,")
    installed.settings.write_text(text)

    assert installed("weights").code == 0

    copied = re.findall(r"_MODEL=([^;]+)", json.dumps(installed.calls))
    assert copied == ["musetalk", "latentsync-1.6", "wan2.2-i2v"]
