"""The files of `deploy/cloudrun`, with settings filled in: keys, variables, limits, the query."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from api.settings import ApiSettings
from cli.app import COMMANDS
from maintenance.settings import MaintenanceSettings
from runtime.metrics import api as api_metrics
from tests.deploy.cloudrun.conftest import ROOT, SCRIPTS, CloudRun
from tests.deploy.cloudrun.keys import BUILD, KINDS, unknown_keys
from tests.promtool import PROMTOOL, needs_promtool
from workers.settings import WorkerSettings

WORKERS = ("worker-l4", "worker-rtx-pro-6000")
KNOWN = {
    name
    for settings in (ApiSettings, WorkerSettings, MaintenanceSettings)
    for field in settings.model_fields
    for name in (f"KINOMILL_{field.upper()}", field.upper())
}
MINIMUM = {"nvidia-l4": (4, 16), "nvidia-rtx-pro-6000": (20, 80)}
"""vCPUs and GiB that Cloud Run asks for beside a GPU."""
KILL_SECONDS = 10
"""From SIGTERM to SIGKILL."""
LONGEST_STARTUP_SECONDS = 240


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Each rendered file by its name."""
    cloudrun = CloudRun(tmp_path_factory.mktemp("files"))
    result = cloudrun.deploy("--dry-run")
    assert result.code == 0, result.err
    return {path.stem: yaml.safe_load(path.read_text()) for path in cloudrun.out.iterdir()}


def template(document):
    spec = document["spec"]["template"]["spec"]
    return spec["template"]["spec"] if "template" in spec else spec


def containers(document):
    return {one["name"]: one for one in template(document)["containers"]}


def variables(container):
    return {one["name"]: one.get("value") for one in container["env"]}


def gib(limit):
    return int(limit.removesuffix("Gi"))


def test_every_template_is_rendered(files):
    templates = {path.stem for path in SCRIPTS.glob("*.yaml")} - {"cloudbuild", "weights", "crema"}

    assert set(files) == templates | {"crema-l4", "crema-rtx-pro-6000"}
    assert "${" not in json.dumps(files)


def test_files_have_known_keys_only(files):
    assert {
        name: found
        for name, document in files.items()
        if (found := unknown_keys(document, KINDS[document["kind"]]))
    } == {}


def test_a_wrong_key_is_found_with_its_path(files):
    broken = copy.deepcopy(files["worker-l4"])
    template(broken)["containers"][0]["startupProbe"]["httpGte"] = {}
    broken["spec"]["replicas"] = 1

    assert unknown_keys(broken, KINDS["WorkerPool"]) == [
        ".spec.template.spec.containers[0].startupProbe.httpGte",
        ".spec.replicas",
    ]


@pytest.mark.parametrize("name", ["cloudbuild", "weights"])
def test_builds_have_known_keys_only(name):
    document = yaml.safe_load((SCRIPTS / f"{name}.yaml").read_text())

    assert unknown_keys(document, BUILD) == []


@pytest.mark.parametrize("name", ["cloudbuild", "weights"])
def test_a_build_gets_the_substitutions_that_it_names(cloudrun, name):
    script = {"cloudbuild": "build"}.get(name, name)
    text = (SCRIPTS / f"{name}.yaml").read_text()

    cloudrun(script)

    submitted = [call for call in cloudrun.calls if call[:2] == ["builds", "submit"]]
    given = next(word for word in submitted[0] if word.startswith("--substitutions="))
    named = set(re.findall(r"(?<!\$)\$\{(_[A-Z_]+)\}", text))
    assert set(re.findall(r"(_[A-Z_]+)=", given)) == named


def test_every_variable_is_a_setting(files):
    for document in files.values():
        if document["kind"] != "CremaConfig":
            for name, container in containers(document).items():
                assert set(variables(container) if "env" in container else ()) <= KNOWN, name


def test_commands_are_those_of_kinomill(files):
    for document in files.values():
        if document["kind"] != "CremaConfig":
            for name, container in containers(document).items():
                if name != "collector":
                    assert container["args"][0] == "kinomill"
                    assert container["args"][1] in COMMANDS.commands


def test_no_file_contains_a_secret(files):
    for document in files.values():
        if document["kind"] == "CremaConfig":
            continue
        for container in containers(document).values():
            for one in container.get("env", []):
                secret = one["name"] in {"DATABASE_PASSWORD", "REDIS_URL", "KINOMILL_SECRET_KEY"}
                assert secret == ("valueFrom" in one), one["name"]


@pytest.mark.parametrize("name", WORKERS)
def test_the_programs_accept_their_variables(files, name, monkeypatch):
    values = variables(containers(files[name])["worker"])
    secrets = {"REDIS_URL": "redis://host:6379/0", "KINOMILL_SECRET_KEY": "k" * 64}
    for key, value in (values | secrets | {"DATABASE_PASSWORD": "password"}).items():
        monkeypatch.setenv(key, value)

    settings = WorkerSettings()

    assert settings.models
    assert settings.weights_mirror == "gs://my-project-kinomill-weights/weights"
    assert settings.drain_window.total_seconds() <= KILL_SECONDS / 2


def test_the_api_accepts_the_models_of_all_pools(files):
    served = ",".join(
        variables(containers(files[name])["worker"])["KINOMILL_MODELS"] for name in WORKERS
    )

    assert variables(containers(files["api"])["api"])["KINOMILL_MODELS"] == served
    assert variables(containers(files["metrics"])["metrics"])["KINOMILL_MODELS"] == served


@pytest.mark.parametrize("name", WORKERS)
def test_a_pool_has_what_its_gpu_requires(files, name):
    spec = template(files[name])
    limits = spec["containers"][0]["resources"]["limits"]
    cpus, memory = MINIMUM[spec["nodeSelector"]["run.googleapis.com/accelerator"]]

    assert int(limits["cpu"]) >= cpus
    assert gib(limits["memory"]) >= memory
    assert limits["nvidia.com/gpu"] == "1"


def test_the_driver_of_l4_gets_torch_for_cuda_12(files):
    images = {name: template(files[name])["containers"][0]["image"] for name in WORKERS}

    assert images["worker-l4"].endswith("/worker-cu126:0.1.0")
    assert images["worker-rtx-pro-6000"].endswith("/worker:0.1.0")


def test_the_pools_differ_in_gpu_size_image_and_models_only():
    first, second = ((SCRIPTS / f"{name}.yaml").read_text().splitlines() for name in WORKERS)

    differing = [
        line.strip().partition(":")[0].partition(" (")[0]
        for line, other in zip(first, second, strict=True)
        if line != other
    ]
    assert differing == [
        *("# Workers on L4", "name", "run.googleapis.com/accelerator"),
        *("image", "cpu", "memory", "value"),
    ]


def test_startup_probes_wait_no_longer_than_allowed(files):
    for document in files.values():
        for container in containers(document).values() if document["kind"] != "CremaConfig" else ():
            probe = container.get("startupProbe")
            if probe:
                seconds = probe["periodSeconds"] * probe["failureThreshold"]
                assert seconds <= LONGEST_STARTUP_SECONDS
                assert probe["timeoutSeconds"] < probe["periodSeconds"]


def test_workers_are_probed_where_they_listen(files):
    for name in WORKERS:
        worker = containers(files[name])["worker"]
        ports = {worker[probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe")}

        assert {str(port) for port in ports} == {variables(worker)["KINOMILL_HEALTH_PORT"]}
        assert variables(worker)["KINOMILL_HEALTH_HOST"] == "0.0.0.0"
        assert worker["startupProbe"]["httpGet"]["path"] == "/livez"


def test_metrics_are_shown_only_where_nothing_outside_reaches_them(files):
    assert "KINOMILL_METRICS" not in variables(containers(files["api"])["api"])
    assert variables(containers(files["metrics"])["metrics"])["KINOMILL_METRICS"] == "true"
    assert files["metrics"]["metadata"]["annotations"] == {"run.googleapis.com/ingress": "internal"}


def test_the_collector_finds_the_metrics_at_its_default_port(files):
    metrics = containers(files["metrics"])["metrics"]

    assert metrics["args"][-1] == "8080"
    annotations = files["metrics"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["run.googleapis.com/cpu-throttling"] == "false"
    assert json.loads(annotations["run.googleapis.com/container-dependencies"]) == {
        "collector": ["metrics"]
    }


def test_one_autoscaler_scales_one_pool_to_zero(files):
    for name, models in {"l4": "musetalk|latentsync-1.6", "rtx-pro-6000": "wan2.2-i2v"}.items():
        (scaled,) = files[f"crema-{name}"]["spec"]["scaledObjects"]
        spec = scaled["spec"]

        target = f"projects/my-project/locations/europe-west4/workerpools/kinomill-worker-{name}"
        assert spec["scaleTargetRef"]["name"] == target
        assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, 1)
        assert f'model=~"{models}"' in spec["triggers"][0]["metadata"]["query"]
        assert spec["triggers"][0]["metadata"]["ignoreNullValues"] == "false"


CASES = [
    # demand, running, workers that are ready and that prepare: wanted instances
    (0, 0, 0, 0, 0),
    (3, 0, 0, 0, 3),
    (0, 0, 3, 0, 0),
    (2, 1, 1, 0, 2),
    (1, 1, 2, 1, 3),
    (6, 1, 3, 0, 6),
]
QUEUE = (
    "kinomill_jobs_demand{",
    "kinomill_jobs_running{",
    'kinomill_workers{state="ready",',
    'kinomill_workers{state="preparing",',
)


def series(numbers):
    """Two instances of the API, as during a deployment; silent workers and other models."""
    found = [
        {"series": f'{name}model="{model}",instance="{instance}"}}', "values": f"{value}x5"}
        for name, own in zip(QUEUE, numbers, strict=True)
        for instance in (1, 2)
        for model, value in (("musetalk", own), ("wan2.2-i2v", 7))
    ]
    silent = {"series": 'kinomill_workers{state="silent",model="musetalk"}', "values": "9x5"}
    return [*found, silent]


@needs_promtool
def test_the_query_wants_no_fewer_instances_while_any_job_runs(files, tmp_path):
    (scaled,) = files["crema-l4"]["spec"]["scaledObjects"]
    query = scaled["spec"]["triggers"][0]["metadata"]["query"]
    answers = [(series(case[:4]), [{"labels": "{}", "value": case[4]}]) for case in CASES]
    tests = [
        {
            "interval": "1m",
            "input_series": given,
            "promql_expr_test": [{"expr": query, "eval_time": "2m", "exp_samples": wanted}],
        }
        for given, wanted in [*answers, ([], [])]
    ]
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [], "tests": tests}))

    done = subprocess.run(
        [PROMTOOL, "test", "rules", file], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_metrics_of_the_query_exist(files):
    (scaled,) = files["crema-l4"]["spec"]["scaledObjects"]
    query = scaled["spec"]["triggers"][0]["metadata"]["query"]

    assert set(re.findall(r"kinomill_\w+", query)) <= {
        metric.name for metric in api_metrics.METRICS
    }


def test_the_settings_of_a_project_are_not_committed():
    ignored = Path(ROOT / ".gitignore").read_text().splitlines()

    assert "deploy/cloudrun/cloudrun.env" in ignored
