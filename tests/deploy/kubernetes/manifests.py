"""Renders the chart and the overlays, and checks each object. Everything runs in this process."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import yaml

from tests.deploy.kubernetes.closed_kinds import CLOSED

ROOT = Path(__file__).parents[3]
CHART = ROOT / "deploy" / "helm" / "kinomill"
KUSTOMIZE = ROOT / "deploy" / "kustomize"
VALUES = {path.stem.removesuffix("-values"): path for path in sorted(CHART.glob("ci/*.yaml"))}
OVERLAYS = sorted(path.name for path in (KUSTOMIZE / "overlays").iterdir())
RELEASE, NAMESPACE = "mill", "media"
VERSIONS = ("1.27", "1.37")
"""The oldest Kubernetes that the chart admits, and the newest whose schemas are installed."""
SINCE = {"ValidatingAdmissionPolicy": "1.30", "ValidatingAdmissionPolicyBinding": "1.30"}
"""Kinds that are newer than that. The chart makes them only where the values ask for it."""


def values_of(name):
    """The values of one of the files, which a test may change."""
    return yaml.safe_load(VALUES[name].read_text())


def render_files(values):
    """The text of each template with these values. Raises `HelmError` for wrong ones."""
    from helm_python import Chart

    with Chart.load(str(CHART)) as chart:
        return chart.render(values, name=RELEASE, namespace=NAMESPACE)


def render(values):
    """The objects that the chart makes of these values."""
    texts = render_files(values)
    return [one for name, text in texts.items() if not name.endswith(".txt") for one in load(text)]


@cache
def _rendered(name):
    return json.dumps(render(values_of(name)))


def rendered(name):
    """The objects of one of the values files."""
    return json.loads(_rendered(name))


@cache
def _built(overlay):
    kubectl = shutil.which("kubectl", path=str(Path(sys.executable).parent))
    folder = KUSTOMIZE / "overlays" / overlay
    done = subprocess.run(
        [kubectl, "kustomize", folder], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    return done.stdout


def built(overlay):
    """The objects of an overlay."""
    return load(_built(overlay))


def load(text):
    return [one for one in yaml.safe_load_all(text) if one is not None]


def check(manifest, version):
    """Raise if a field is unknown, missing or of another type."""
    import jsonschema
    import kubernetes_validate

    known = CLOSED.get((manifest["apiVersion"], manifest["kind"]))
    if known is None:
        kubernetes_validate.validate(manifest, version, strict=True)
        return
    jsonschema.validate(manifest, known)
    if "jobTargetRef" in manifest["spec"]:
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job"}}
        job["spec"] = manifest["spec"]["jobTargetRef"]
        kubernetes_validate.validate(job, version, strict=True)


def pods(manifests):
    """The metadata and the spec of each pod, by kind and name of the object that makes it."""
    found = {}
    for one in manifests:
        spec = one.get("spec", {})
        template = spec.get("jobTargetRef", spec).get("template")
        if one["kind"] == "Pod":
            found[name_of(one)] = one["metadata"], spec
        elif template is not None:
            found[name_of(one)] = template["metadata"], template["spec"]
    return found


def containers(pod):
    return [*pod.get("initContainers", []), *pod["containers"]]


def name_of(manifest):
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def named(manifests, name):
    """The object of this kind and name."""
    return next(one for one in manifests if name_of(one) == name)


def variables(manifests):
    """Every variable that a container gets, with its value or None."""
    found = []
    for _, pod in pods(manifests).values():
        for container in containers(pod):
            found += [(one["name"], one.get("value")) for one in container.get("env", [])]
    for one in manifests:
        if one["kind"] == "ConfigMap":
            found += one["data"].items()
    return found
