"""What KEDA is told: where the demand is read, and that no busy worker is too many."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from migrations.autoscaler import ROLE
from tests.deploy.kubernetes import manifests as m
from tests.deploy.kubernetes.test_chart import changed
from tests.jobs import build
from tests.migrations.test_migrations import query, statement

LIPSYNC, VIDEO = "mill-kinomill-worker-lipsync", "mill-kinomill-worker-video"


@pytest.fixture
def read(database_url):
    """Run a query as KEDA's user, on the database that the migrations made."""
    statement(database_url, f"CREATE ROLE kinomill_keda LOGIN PASSWORD 'secret' IN ROLE {ROLE}")
    url = make_url(database_url).set(username="kinomill_keda", password="secret")
    url = url.render_as_string(hide_password=False)
    yield lambda sql: query(url, lambda connection: connection.scalar(text(sql)))
    statement(database_url, "DROP ROLE kinomill_keda")


def queries(objects):
    return [
        trigger["metadata"]["query"]
        for one in objects
        for trigger in one.get("spec", {}).get("triggers", [])
    ]


@pytest.mark.parametrize(
    "objects",
    [lambda: m.rendered("gke-l4"), lambda: m.rendered("two-gpu-pools"), lambda: m.built("gke-l4")],
    ids=["chart", "chart, two pools", "overlay"],
)
def test_without_jobs_each_query_answers_zero_to_the_role_of_autoscalers(objects, read, sessions):
    found = queries(objects())

    assert found
    assert [float(read(sql)) for sql in found] == [0] * len(found)


def demand(**scaling):
    values = changed("gke-l4", workers__lipsync__models=["preview-lipsync", "it's"])
    values["workers"]["lipsync"] |= {"onDemand": [], "scaling": {"kind": "keda"} | scaling}
    [found] = queries(m.render(values))
    return found


@pytest.mark.parametrize(("waiting", "running", "workers"), [(5, 0, 5), (2, 4, 6), (0, 3, 3)])
def test_running_and_waiting_jobs_need_a_worker_each(waiting, running, workers, read, sessions):
    for _ in range(waiting + running):
        build.submitted(sessions)
    for _ in range(running):
        build.claim_next(sessions)

    assert read(demand(max=9)) == workers


@pytest.mark.parametrize(("waiting", "running", "workers"), [(7, 0, 3), (1, 4, 4), (0, 2, 2)])
def test_a_share_of_several_jobs_never_makes_a_busy_worker_one_too_many(
    waiting, running, workers, read, sessions
):
    for _ in range(waiting + running):
        build.submitted(sessions)
    for _ in range(running):
        build.claim_next(sessions)

    assert read(demand(max=9, jobsPerWorker=3)) == workers


def test_over_http_the_demand_of_all_models_of_a_pool_is_added():
    spec = m.named(m.rendered("external"), f"ScaledObject/{LIPSYNC}")["spec"]
    modifiers = spec["advanced"]["scalingModifiers"]
    names = {one["name"]: one["metadata"]["valueLocation"] for one in spec["triggers"]}

    assert modifiers["formula"] == "max(running_0 + running_1, ceil((demand_0 + demand_1) / 2))"
    assert names["demand_0"] == 'items.#(model=="musetalk").demand'
    assert names["running_1"] == 'items.#(model=="latentsync-1.6").running'


def test_over_http_one_model_needs_no_formula():
    values = changed("external", workers__lipsync__models=["musetalk"])
    values["workers"]["lipsync"]["scaling"] = {"kind": "keda", "max": 4}
    spec = m.named(m.render(values), f"ScaledObject/{LIPSYNC}")["spec"]

    assert "scalingModifiers" not in spec["advanced"]
    assert [one["metadata"]["valueLocation"] for one in spec["triggers"]] == [
        'items.#(model=="musetalk").demand'
    ]


def test_the_fields_that_are_read_over_http_are_those_of_the_api():
    from api.fleet.responses import QueueList, QueueResponse

    assert "items" in QueueList.model_fields
    assert {"model", "demand", "running"} <= set(QueueResponse.model_fields)


def test_the_deployment_leaves_its_size_to_keda():
    deployment = m.named(m.rendered("gke-l4"), f"Deployment/{LIPSYNC}")

    assert "replicas" not in deployment["spec"]


def test_workers_go_slowly_one_at_a_time_and_stay_while_the_demand_is_unknown():
    spec = m.named(m.rendered("two-gpu-pools"), f"ScaledObject/{LIPSYNC}")["spec"]
    down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]

    assert down["stabilizationWindowSeconds"] == 600
    assert down["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 60}]
    assert spec["fallback"]["behavior"] == "currentReplicasIfHigher"


def test_the_last_worker_stays_longer_than_a_warm_up_takes():
    from workers.settings import WorkerSettings

    spec = m.named(m.rendered("gke-l4"), f"ScaledObject/{LIPSYNC}")["spec"]
    warm_up = WorkerSettings.model_fields["warm_up_limit"].default.total_seconds()

    assert spec["minReplicaCount"] == 0
    assert spec["cooldownPeriod"] > warm_up


def test_workers_of_a_scaled_job_end_by_themselves_and_survive_a_change():
    job = m.named(m.rendered("two-gpu-pools"), f"ScaledJob/{VIDEO}")["spec"]
    pod = job["jobTargetRef"]["template"]["spec"]

    assert pod["containers"][0]["args"] == ["kinomill", "worker", "--exit-when-idle", "300"]
    assert pod["restartPolicy"] == "Never"
    assert job["rollout"] == {"strategy": "gradual"}
    assert job["scalingStrategy"] == {"strategy": "default"}
    assert not [one for one in m.rendered("two-gpu-pools") if m.name_of(one).endswith(VIDEO)
                and one["kind"] in {"Deployment", "PodDisruptionBudget"}]  # fmt: skip


def test_the_password_alone_is_a_secret_and_two_releases_do_not_share_a_connection():
    """KEDA keeps one pool of connections for each user, host and name of a database, but not for
    each connection string."""
    objects = m.rendered("gke-l4")
    [trigger] = m.named(objects, f"ScaledObject/{LIPSYNC}")["spec"]["triggers"]
    auth = m.named(objects, "TriggerAuthentication/mill-kinomill-autoscaler")["spec"]

    assert {"host", "port", "dbName", "userName", "sslmode"} <= set(trigger["metadata"])
    assert auth == {
        "secretTargetRef": [
            {"parameter": "password", "name": "kinomill-autoscaler", "key": "password"}
        ]
    }


@pytest.mark.parametrize(
    ("changes", "marks"),
    [
        ({}, True),
        ({"deletionCost": False}, False),
        ({"scaling": {"kind": "keda", "max": 1}}, False),
    ],
)
def test_a_worker_marks_its_pod_where_fewer_of_them_can_be_wanted(changes, marks):
    values = m.values_of("gke-l4")
    values["workers"]["lipsync"] |= changes
    objects = m.render(values)
    pod = m.pods(objects)[f"Deployment/{LIPSYNC}"][1]

    assert ("KINOMILL_POD_NAME" in json.dumps(pod)) == marks
    assert pod["automountServiceAccountToken"] == marks
    assert any(one["kind"] == "Role" for one in objects) == marks


def test_the_policy_is_about_the_account_of_workers_in_their_namespace():
    objects = m.rendered("gke-l4")
    policy = next(one for one in objects if one["kind"] == "ValidatingAdmissionPolicy")
    binding = next(one for one in objects if one["kind"] == "ValidatingAdmissionPolicyBinding")
    [condition] = policy["spec"]["matchConditions"]

    account = "system:serviceaccount:media:mill-kinomill-worker"
    assert condition["expression"] == f"request.userInfo.username == '{account}'"
    assert binding["spec"]["policyName"] == policy["metadata"]["name"]
    assert binding["spec"]["matchResources"]["namespaceSelector"] == {
        "matchLabels": {"kubernetes.io/metadata.name": "media"}
    }


def test_the_overlay_scales_by_the_models_that_its_workers_serve():
    objects = m.built("gke-l4")
    [query] = queries(objects)
    served = dict(m.variables(objects))["KINOMILL_MODELS"]

    assert query.endswith("IN ({})".format(", ".join(f"'{one}'" for one in json.loads(served))))
