"""The chart: what its values change, and that wrong ones are refused with their place."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path

import pytest
import yaml

from runtime.postgres.connections import Installation
from tests.deploy.kubernetes import manifests as m

DIGEST = "sha256:" + "0" * 63 + "1"


def changed(name, **changes):
    """One of the values files with some values changed; `a__b` is the value b of a."""
    values = m.values_of(name)
    for path, value in changes.items():
        *parents, last = path.split("__")
        target = values
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = value
    return values


@pytest.mark.parametrize("name", m.VALUES)
def test_helm_finds_nothing_to_improve(name):
    import helm_python

    found = helm_python.lint(str(m.CHART), values=m.values_of(name), strict=True)

    assert found["errors"] == []
    assert [one["error"] for one in found["messages"]] == ["icon is recommended"]


WRONG = {
    "storage": (("minimal", {"storage": {}}), "/storage"),
    "storage kind": (("minimal", {"storage__uri": "ftp://files"}), "/storage/uri"),
    "an unknown value": (("minimal", {"replicas": 3}), "additional properties 'replicas'"),
    "an unknown value of a pool": (
        ("minimal", {"workers__preview__gpus": 2}), "/workers/preview",
    ),
    "a pool without models": (("minimal", {"workers__preview__models": []}), "/models"),
    "a pool's name": (("minimal", {"workers__Big_GPUs": {"models": ["musetalk"]}}), "Big_GPUs"),
    "a misspelled setting": (
        ("minimal", {"settings": {"KINOMILL_RESULTS_TTL": 5}}), "KINOMILL_RESULTS_TTL",
    ),
    "a secret among the settings": (
        ("minimal", {"settings": {"KINOMILL_SECRET_KEY": "x"}}), "KINOMILL_SECRET_KEY",
    ),
    "a setting that has a value of its own": (
        ("minimal", {"workers__preview__settings": {"KINOMILL_DRAIN_WINDOW": 5}}),
        "KINOMILL_DRAIN_WINDOW",
    ),
    "a kind of pooler": (("minimal", {"database__pooler": "session"}), "/database/pooler"),
    "a count of GPUs": (("gke-l4", {"workers__lipsync__gpu__count": "one"}), "/gpu/count"),
    "a way to scale": (("gke-l4", {"workers__lipsync__scaling__kind": "auto"}), "/scaling/kind"),
    "a short cooldown": (
        ("gke-l4", {"workers__lipsync__scaling__cooldown": 5}), "/scaling/cooldown",
    ),
    "a grace too short to drain": (("minimal", {"workers__preview__grace": 5}), "/grace"),
    "no host of the database": (("gke-l4", {"keda__database__host": ""}), "/keda/database/host"),
    "a digest": (("external", {"image__api__digest": "latest"}), "/image/api/digest"),
    "an ingress without hosts": (("gke-l4", {"ingress__hosts": []}), "/ingress/hosts"),
    "a quantity": (("minimal", {"weights__size": "200 GB"}), "/weights/size"),
    "a claim without a name": (
        ("no-keda", {"weights": {"kind": "existingClaim"}}), "/weights",
    ),
    "a folder of the host": (
        ("two-gpu-pools", {"workers__video__weights__hostPath": "weights"}), "hostPath",
    ),
    "an empty secret": (("minimal", {"secrets": {"existingSecret": ""}}), "/secrets"),
    "more workers than the most": (
        ("gke-l4", {"workers__lipsync__scaling__min": 9}), "workers.lipsync.scaling.min",
    ),
    "a model on demand that is not served": (
        ("gke-l4", {"workers__lipsync__onDemand": ["wav2lip"]}), "workers.lipsync.onDemand",
    ),
    "GPUs that the worker would not use": (
        ("gke-l4", {"workers__lipsync__gpu__count": 2}), "workers.lipsync.gpu.count: 2, but a",
    ),
    "fewer GPUs than a job uses": (
        ("gke-l4", {"settings": {"KINOMILL_GPUS_PER_WORKER": 2}}),
        "workers.lipsync.gpu.count: 1, but a worker uses 2",
    ),
    "GPUs that cannot be divided": (
        ("gke-l4", {
            "workers__lipsync__gpu__count": 3,
            "workers__lipsync__settings": {"KINOMILL_GPUS": "all", "KINOMILL_GPUS_PER_WORKER": "2"},
        }),
        "3 GPUs cannot be divided among workers of 2",
    ),
    "no host, by the defaults of pools": (
        ("minimal", {"workerDefaults": {"scaling": {"kind": "keda"}}}), "keda.database.host",
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_values_are_refused_with_their_place(wrong):
    from helm_python import HelmError

    (name, changes), place = WRONG[wrong]
    with pytest.raises(HelmError) as refused:
        m.render(changed(name, **changes))

    assert place in str(refused.value)


@pytest.mark.parametrize(
    ("count", "settings"),
    [
        (2, {"KINOMILL_GPUS_PER_WORKER": 2}),
        (2, {"KINOMILL_GPUS": "all"}),
        (4, {"KINOMILL_GPUS": "all", "KINOMILL_GPUS_PER_WORKER": "2"}),
    ],
)
def test_a_pod_may_have_several_gpus_for_one_worker_or_several(count, settings):
    values = {"workers__lipsync__gpu__count": count, "workers__lipsync__settings": settings}
    objects = m.render(changed("gke-l4", **values))
    container = m.pods(objects)["Deployment/mill-kinomill-worker-lipsync"][1]["containers"][0]

    assert container["resources"]["limits"]["nvidia.com/gpu"] == count


def test_the_migration_runs_before_the_rest_and_needs_nothing_of_the_chart():
    objects = m.rendered("no-keda")
    job = m.named(objects, "Job/mill-kinomill-migrate")
    hook = job["metadata"]["annotations"]
    pod = job["spec"]["template"]["spec"]
    made = {one["metadata"]["name"] for one in objects if one["kind"] in {"ServiceAccount"}}

    assert hook["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert hook["helm.sh/hook-delete-policy"] == "before-hook-creation"
    assert pod["containers"][0]["args"] == ["kinomill", "migrate"]
    assert pod["serviceAccountName"] not in made
    assert "envFrom" not in pod["containers"][0]
    assert pod["restartPolicy"] == "Never"


def test_a_migration_goes_past_the_pooler():
    objects = m.rendered("external")
    env = {one["name"]: one for one in m.pods(objects)["Job/mill-kinomill-migrate"][1]
           ["containers"][0]["env"]}  # fmt: skip
    shared = m.named(objects, "ConfigMap/mill-kinomill-settings")["data"]

    direct = env["KINOMILL_MIGRATION_DATABASE_URL"]["valueFrom"]["secretKeyRef"]
    assert direct == {"name": "kinomill-direct", "key": "url"}
    assert env["KINOMILL_DATABASE_POOLER"]["value"] == "transaction"
    assert shared["KINOMILL_DATABASE_POOLER"] == "transaction"


def test_only_the_programs_that_need_a_secret_get_it():
    def secrets(name):
        pod = m.pods(m.rendered("two-gpu-pools"))[name][1]
        return {one["name"] for one in pod["containers"][0]["env"] if "secretKeyRef" in
                one.get("valueFrom", {})}  # fmt: skip

    assert secrets("Deployment/mill-kinomill-flower") == {"REDIS_URL", "KINOMILL_FLOWER_PASSWORD"}
    assert secrets("Job/mill-kinomill-migrate") == {
        "DATABASE_URL", "DATABASE_PASSWORD", "KINOMILL_MIGRATION_DATABASE_URL",
    }  # fmt: skip
    assert "HF_TOKEN" not in secrets("Deployment/mill-kinomill-api")
    assert "HF_TOKEN" in secrets("Deployment/mill-kinomill-worker-lipsync")


def test_the_api_accepts_jobs_for_the_models_of_all_pools():
    env = dict(m.variables([m.named(m.rendered("two-gpu-pools"), "Deployment/mill-kinomill-api")]))

    assert set(json.loads(env["KINOMILL_MODELS"])) == {"musetalk", "wav2lip", "wan2.2-i2v"}


def test_a_change_of_the_settings_replaces_the_pods():
    def checksums(values):
        return {meta["annotations"].get("checksum/settings")
                for name, (meta, _) in m.pods(m.render(values)).items()
                if name.startswith("Deployment")}  # fmt: skip

    before = checksums(m.values_of("minimal"))
    after = checksums(changed("minimal", settings={"KINOMILL_RESULT_TTL": 86400}))

    assert len(before) == len(after) == 1
    assert before != after


def test_numbers_of_settings_are_written_out():
    values = changed(
        "minimal", settings={"KINOMILL_MAX_VIDEO_BYTES": 2_000_000_000, "KINOMILL_METRICS": True}
    )
    data = m.named(m.render(values), "ConfigMap/mill-kinomill-settings")["data"]

    assert data["KINOMILL_MAX_VIDEO_BYTES"] == "2000000000"
    assert data["KINOMILL_METRICS"] == "true"
    assert data["KINOMILL_LOG_FORMAT"] == "json"


@pytest.mark.parametrize(("grace", "window"), [(600, "585"), (60, "45"), (30, "15"), (25, "12")])
def test_the_drain_window_fits_the_time_until_the_kill(grace, window):
    deployment = m.named(
        m.render(changed("minimal", workers__preview__grace=grace)),
        "Deployment/mill-kinomill-worker-preview",
    )

    assert dict(m.variables([deployment]))["KINOMILL_DRAIN_WINDOW"] == window


def test_an_image_is_named_by_digest_where_one_is_given():
    images = {
        one["image"]
        for _, pod in m.pods(m.render(changed("gke-l4", image__worker={"digest": DIGEST}))).values()
        for one in pod["containers"]
    }

    assert images == {
        "europe-west4-docker.pkg.dev/my-project/kinomill/api:0.1.0",
        f"europe-west4-docker.pkg.dev/my-project/kinomill/worker@{DIGEST}",
    }


def test_metrics_are_not_for_the_outside():
    values = changed("no-keda", serviceMonitor__enabled=True)
    paths = m.named(m.render(values), "Ingress/mill-kinomill-api")["spec"]["rules"][0]["http"]
    services = {one["path"]: one["backend"]["service"]["name"] for one in paths["paths"]}
    nowhere = m.named(m.render(values), "Service/mill-kinomill-nowhere")

    assert services == {"/metrics": "mill-kinomill-nowhere", "/": "mill-kinomill-api"}
    assert "selector" not in nowhere["spec"]


def test_an_api_behind_a_proxy_counts_its_connections_together():
    def limit(**changes):
        deployment = m.named(m.render(changed("gke-l4", **changes)), "Deployment/mill-kinomill-api")
        return dict(m.variables([deployment])).get("KINOMILL_MAX_CONNECTIONS_PER_ADDRESS")

    assert limit() == "1000"
    assert limit(settings__KINOMILL_MAX_CONNECTIONS=4000) == "4000"
    assert limit(ingress__enabled=False) is None


def test_a_shared_folder_is_mounted_by_all_that_use_it():
    mounting = {
        name
        for name, (_, pod) in m.pods(m.rendered("no-keda")).items()
        if "objects" in [one["name"] for one in pod["containers"][0]["volumeMounts"]]
    }

    assert mounting == {
        "Deployment/mill-kinomill-api",
        "Deployment/mill-kinomill-maintenance",
        "Deployment/mill-kinomill-worker-gpu",
    }


def callers(policy):
    return [
        one["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for rule in policy["ingress"]
        for one in rule["from"]
        if "namespaceSelector" in one
    ]


def test_only_prometheus_calls_a_worker_and_named_namespaces_the_api():
    objects = m.rendered("external")
    worker = m.named(objects, "NetworkPolicy/mill-kinomill-worker")["spec"]
    api = m.named(objects, "NetworkPolicy/mill-kinomill-api")["spec"]
    maintenance = m.named(objects, "NetworkPolicy/mill-kinomill-maintenance")["spec"]

    assert worker["policyTypes"] == ["Ingress", "Egress"]
    assert callers(worker) == ["monitoring"]
    assert worker["ingress"][0]["ports"] == [{"port": 8080, "protocol": "TCP"}]
    assert callers(api) == ["ingress-nginx", "keda", "monitoring"]
    assert maintenance["ingress"] == []


def test_without_monitors_nobody_calls_a_worker():
    objects = m.render(changed("external", serviceMonitor__enabled=False))

    assert m.named(objects, "NetworkPolicy/mill-kinomill-worker")["spec"]["ingress"] == []
    assert "monitoring" not in callers(m.named(objects, "NetworkPolicy/mill-kinomill-api")["spec"])


def test_monitors_find_the_programs_that_show_metrics():
    objects = m.rendered("two-gpu-pools")
    labels = [meta["labels"] for meta, _ in m.pods(objects).values()]
    services = [one["metadata"]["labels"] for one in objects if one["kind"] == "Service"]
    shared = m.named(objects, "ConfigMap/mill-kinomill-settings")["data"]

    assert shared["KINOMILL_METRICS"] == "true"
    for kind, among, found in (("ServiceMonitor", services, 1), ("PodMonitor", labels, 2)):
        for one in objects:
            if one["kind"] == kind:
                wanted = one["spec"]["selector"]["matchLabels"].items()
                assert sum(wanted <= own.items() for own in among) == found, m.name_of(one)


def test_monitors_name_the_jobs_as_the_alerts_do():
    monitoring = m.ROOT / "deploy" / "monitoring"
    config = yaml.safe_load((monitoring / "prometheus.yml").read_text())
    groups = yaml.safe_load((monitoring / "rules.yml").read_text())["groups"]
    rules = {rule.get("alert"): rule for group in groups for rule in group["rules"]}
    objects = m.render(changed("two-gpu-pools", flower__enabled=True))
    named = {
        relabeling["replacement"]
        for one in objects
        if one["kind"] in {"ServiceMonitor", "PodMonitor"}
        for endpoint in one["spec"].get("endpoints") or one["spec"]["podMetricsEndpoints"]
        for relabeling in endpoint["relabelings"]
        if relabeling["targetLabel"] == "job"
    }
    pattern = re.search('job=~"(.*?)"', rules["KinomillTargetDown"]["expr"])[1]

    assert named == {job["job_name"] for job in config["scrape_configs"]}
    assert all(re.fullmatch(pattern, name) for name in named)


def test_a_pool_that_is_null_is_left_out():
    objects = m.render(changed("two-gpu-pools", workers__video=None))

    assert not [one for one in objects if one["kind"] == "ScaledJob"]
    assert not [one for one in objects if "video" in m.name_of(one)]


def test_without_pools_jobs_wait_for_workers_elsewhere():
    values = changed("minimal", workers={}, api__models=["musetalk"])
    notes = m.render_files(values)["kinomill/templates/NOTES.txt"]

    assert "No pool of workers" in notes
    assert not [one for one in m.render(values) if "worker" in m.name_of(one)]


def test_the_notes_say_how_many_connections_the_programs_may_have():
    notes = m.render_files(m.values_of("two-gpu-pools"))["kinomill/templates/NOTES.txt"]
    most = Installation(api=2, maintenance=1, workers=6 + 4).busy

    assert f"at most {most} connections to PostgreSQL" in notes


def test_the_test_pod_submits_a_job_where_a_pool_serves_its_model():
    def script(name):
        pod = m.named(m.rendered(name), "Pod/mill-kinomill-test")
        return pod["spec"]["containers"][0]["args"][0]

    assert "kinomill submit preview-lipsync" in script("minimal")
    assert "kinomill submit" not in script("gke-l4")
    assert "/readyz" in script("gke-l4")


def test_a_package_of_the_chart_renders_alike_and_has_no_examples(tmp_path):
    import helm_python
    from helm_python import Chart

    archive = Path(helm_python.package(str(m.CHART), destination=str(tmp_path)))

    with Chart.load_archive(archive.read_bytes()) as chart:
        texts = chart.render(m.values_of("gke-l4"), name=m.RELEASE, namespace=m.NAMESPACE)
    assert texts == m.render_files(m.values_of("gke-l4"))
    with tarfile.open(archive) as files:
        assert not [name for name in files.getnames() if "/ci/" in name]


def test_the_version_of_the_chart_is_that_of_the_server():
    chart = yaml.safe_load((m.CHART / "Chart.yaml").read_text())
    project = (m.ROOT / "pyproject.toml").read_text()

    assert f'version = "{chart["appVersion"]}"' in project


def test_the_values_file_explains_each_group():
    text = (m.CHART / "values.yaml").read_text()
    schema = json.loads((m.CHART / "values.schema.json").read_text())

    assert set(yaml.safe_load(text)) == set(schema["properties"]) - {"global"}
