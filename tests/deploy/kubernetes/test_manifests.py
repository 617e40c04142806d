"""Every object of the chart, with six sets of values, and of the overlays of Kustomize."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.deploy.kubernetes import manifests as m

CHARTS = [("chart", name) for name in m.VALUES]
OVERLAYS = [("overlay", name) for name in m.OVERLAYS]
OTHERS_IMAGES = re.compile(r"(postgres|valkey/valkey):\d+")


@pytest.fixture(params=CHARTS + OVERLAYS, ids="-".join)
def objects(request):
    source, name = request.param
    return m.rendered(name) if source == "chart" else m.built(name)


@pytest.fixture
def our_pods(objects):
    """The pods that run our images."""
    return {
        name: pod
        for name, pod in m.pods(objects).items()
        if not any(OTHERS_IMAGES.fullmatch(one["image"]) for one in m.containers(pod[1]))
    }


def test_all_six_sets_of_values_and_three_overlays_are_there():
    assert set(m.VALUES) == {
        "minimal", "gke-l4", "two-gpu-pools", "no-keda", "external", "air-gapped",
    }  # fmt: skip
    assert m.OVERLAYS == ["dev", "gke-l4", "one-node-k3s"]


@pytest.mark.parametrize("version", m.VERSIONS)
def test_each_object_has_known_fields_only(objects, version):
    for one in objects:
        if version < m.SINCE.get(one["kind"], version):
            continue
        m.check(one, version)


def test_no_object_is_there_twice_and_no_name_is_too_long(objects):
    names = [m.name_of(one) for one in objects]

    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert all(len(one["metadata"]["name"]) <= 63 for one in objects)


def test_our_pods_run_as_a_user_without_rights_on_a_read_only_root(our_pods):
    for name, (_, pod) in our_pods.items():
        context = pod["securityContext"]
        assert (context["runAsUser"], context["runAsGroup"]) == (10001, 10001), name
        assert context["runAsNonRoot"], name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in m.containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert "/tmp" in [mount["mountPath"] for mount in container["volumeMounts"]], name


def test_only_a_worker_that_marks_its_pod_gets_a_token_of_the_cluster(objects, our_pods):
    marking = set()
    for name, (_, pod) in our_pods.items():
        names = [one["name"] for one in pod["containers"][0].get("env", [])]
        assert pod["automountServiceAccountToken"] == ("KINOMILL_POD_NAME" in names), name
        marking |= {pod.get("serviceAccountName")} if "KINOMILL_POD_NAME" in names else set()

    roles = [one for one in objects if one["kind"] == "Role"]
    bindings = [one for one in objects if one["kind"] == "RoleBinding"]
    assert [rule for one in roles for rule in one["rules"]] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["patch"]} for _ in roles
    ]
    assert {one["name"] for binding in bindings for one in binding["subjects"]} == marking


def test_every_container_has_limits_of_memory_and_mounts_what_it_names(objects):
    for name, (_, pod) in m.pods(objects).items():
        volumes = [one["name"] for one in pod.get("volumes", [])]
        claimed = [
            template["metadata"]["name"]
            for one in objects
            if m.name_of(one) == name
            for template in one["spec"].get("volumeClaimTemplates", [])
        ]
        for container in m.containers(pod):
            assert "memory" in container["resources"]["limits"], name
            mounted = {one["name"] for one in container.get("volumeMounts", [])}
            assert mounted <= {*volumes, *claimed}, name


def test_no_secret_is_written_out(objects):
    secret = re.compile(r"PASSWORD|SECRET|TOKEN|_KEY$|DATABASE_URL|REDIS_URL")
    for name, value in m.variables(objects):
        if secret.search(name) and name != "KINOMILL_WEIGHTS_TRUST":
            assert value is None, name


def test_every_selector_finds_the_pods_of_its_own_object_alone(objects):
    labels = {name: meta["labels"] for name, (meta, _) in m.pods(objects).items()}
    for one in objects:
        if one["kind"] not in {"Deployment", "StatefulSet"}:
            continue
        wanted = one["spec"]["selector"]["matchLabels"].items()
        found = [name for name, own in labels.items() if wanted <= own.items()]
        assert found == [m.name_of(one)]


def test_services_budgets_and_policies_select_pods_that_are_there(objects):
    labels = [meta["labels"] for meta, _ in m.pods(objects).values()]
    for one in objects:
        spec = one.get("spec", {})
        if one["kind"] == "Service" and "selector" in spec:
            assert any(spec["selector"].items() <= own.items() for own in labels), m.name_of(one)
        if one["kind"] == "PodDisruptionBudget":
            wanted = spec["selector"]["matchLabels"].items()
            assert any(wanted <= own.items() for own in labels), m.name_of(one)


def test_ports_of_services_and_probes_are_those_of_a_container(objects):
    for name, (_, pod) in m.pods(objects).items():
        for container in pod["containers"]:
            ports = {one["name"] for one in container.get("ports", [])}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                port = container.get(probe, {}).get("httpGet", {}).get("port")
                assert port is None or port in ports, name


def test_a_claim_that_a_pod_mounts_is_there_or_named_in_the_values(objects):
    made = {m.name_of(one) for one in objects}
    given = {"kinomill-objects", "models", "weights"}
    for name, (_, pod) in m.pods(objects).items():
        for volume in pod.get("volumes", []):
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            assert claim is None or claim in given or f"PersistentVolumeClaim/{claim}" in made, name


def test_a_worker_has_time_to_drain_and_is_not_moved(our_pods):
    workers = {name: pod for name, pod in our_pods.items() if "worker" in name}
    assert workers
    for name, (meta, pod) in workers.items():
        env = {one["name"]: one.get("value") for one in pod["containers"][0]["env"]}
        window = int(env["KINOMILL_DRAIN_WINDOW"])
        assert pod["terminationGracePeriodSeconds"] == window + 15, name
        assert meta["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
        assert meta["annotations"]["karpenter.sh/do-not-disrupt"] == "true"


def test_a_pull_of_weights_fails_no_probe_that_kills(our_pods):
    for name, (_, pod) in our_pods.items():
        if "worker" not in name:
            continue
        probes = [
            pod["containers"][0][f"{one}Probe"] for one in ("startup", "liveness", "readiness")
        ]
        startup, liveness, readiness = (one["httpGet"]["path"] for one in probes)
        assert (liveness, readiness) == ("/livez", "/readyz"), name
        if name.startswith("ScaledJob"):  # one that cannot load a model is never idle
            assert startup == "/startupz", name
            assert probes[0]["periodSeconds"] * probes[0]["failureThreshold"] >= 3600, name
        else:
            assert startup == "/livez", name


def test_a_worker_with_a_gpu_may_run_on_its_node(our_pods):
    for name, (_, pod) in our_pods.items():
        limits = pod["containers"][0]["resources"]["limits"]
        if "nvidia.com/gpu" in limits and "runtimeClassName" not in pod:
            keys = [one["key"] for one in pod["tolerations"]]
            assert "nvidia.com/gpu" in keys, name


def test_a_misspelled_field_of_a_closed_kind_is_found():
    import jsonschema

    scaled = m.named(m.rendered("gke-l4"), "ScaledObject/mill-kinomill-worker-lipsync")
    scaled["spec"]["cooldown"] = 5
    with pytest.raises(jsonschema.ValidationError, match="cooldown"):
        m.check(scaled, m.VERSIONS[0])

    job = m.named(m.rendered("two-gpu-pools"), "ScaledJob/mill-kinomill-worker-video")
    job["spec"]["jobTargetRef"]["template"]["spec"]["restart"] = "Never"
    with pytest.raises(Exception, match="restart"):
        m.check(job, m.VERSIONS[0])
