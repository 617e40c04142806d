"""The workflow for a public runner uses existing targets, and no secrets."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / ".github" / "workflows" / "ci.yaml").read_text()
PINNED = r"(actions|docker|pypa|sigstore)/[a-z-]+@v\d+\.\d+\.\d+"


@pytest.fixture
def workflow():
    return yaml.safe_load(TEXT)


@pytest.fixture
def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_its_make_targets_exist(steps):
    lines = [line for step in steps for line in step.get("run", "").splitlines()]
    verbs = {line.split()[1] for line in lines if line.startswith("make ")}
    known = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert verbs == {"check", "deploy-check", "promtool", "test", "faults", "images-check"}
    assert verbs <= set(known)
    assert {line.split()[0] for line in lines} == {"make", "sudo"}


def test_it_has_read_permission_only_and_uses_no_secret(workflow):
    assert workflow["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in workflow["jobs"].values())
    assert "secrets" not in TEXT


def test_every_job_has_a_timeout(workflow):
    assert all(job["timeout-minutes"] <= 120 for job in workflow["jobs"].values())
    assert "github.ref" in workflow["concurrency"]["group"]


def test_actions_are_pinned_to_a_full_version(steps):
    used = [step["uses"] for step in steps if "uses" in step]

    assert used
    assert all(re.fullmatch(PINNED, name) for name in used)


def test_the_oldest_python_is_the_minimum_of_the_project(workflow):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    oldest = project["project"]["requires-python"].removeprefix(">=")
    tested = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]

    assert tested[0] == oldest == project["tool"]["mypy"]["python_version"]
    assert workflow["jobs"]["check"]["steps"][1]["with"]["python-version"] == oldest


def test_each_image_of_compose_is_built_with_a_cache(workflow):
    (bake,) = [step["with"] for step in workflow["jobs"]["images"]["steps"] if "with" in step][1:]
    targets = bake["targets"].split()

    assert targets == ["api", "worker-cpu"]
    assert all(f'target "{name}"' in (ROOT / bake["files"]).read_text() for name in targets)
    assert all(f"{name}.cache-from=type=gha,scope={name}" in bake["set"] for name in targets)


def test_the_workflow_builds_the_images_that_compose_runs(workflow):
    bake = (ROOT / "docker-bake.hcl").read_text()
    tag = re.search(r'variable "TAG" \{ default = "(.+)" \}', bake)[1]
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]

    for service, image in {"api": "api", "worker": "worker-cpu"}.items():
        assert services[service]["image"] == f"kinomill/{image}:${{KINOMILL_VERSION:-{tag}}}"
        assert f'["${{REGISTRY}}/{image}:${{TAG}}"]' in bake


@pytest.mark.parametrize("name", ["audit", "release"])
def test_the_other_workflows_are_pinned_and_limited(name):
    text = (ROOT / ".github" / "workflows" / f"{name}.yaml").read_text()
    found = yaml.safe_load(text)

    for job in found["jobs"].values():
        assert job["timeout-minutes"] <= 120
        for step in job["steps"]:
            assert re.fullmatch(PINNED, step.get("uses", "a")) or ("run" in step)


def test_the_release_reads_the_digest_of_the_base_image_and_records_an_sbom():
    text = (ROOT / ".github" / "workflows" / "release.yaml").read_text()
    bake = (ROOT / "docker-bake.hcl").read_text()
    pattern = re.search(r"sed -n 's/(.*)/\\1/p'", text)[1].replace(r"\(", "(").replace(r"\)", ")")

    assert re.search(pattern, bake, re.M)[1].startswith("python:3.11")
    assert "imagetools inspect" in text
    assert "sbom: true" in text


def test_the_audit_reads_the_locked_files():
    makefile = (ROOT / "Makefile").read_text()
    files = re.search(r"for file in ([a-z ]+); do", makefile)[1].split()

    assert all((ROOT / "requirements" / f"{name}.txt").is_file() for name in files)
