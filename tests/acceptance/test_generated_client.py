"""A client that a generator makes of /openapi.json submits and polls, by JSON and by a form."""

from __future__ import annotations

import json
import subprocess
import venv

import httpx
import pytest

GENERATOR = "openapi-python-client==0.29.1"

SCRIPT = """
import json, pathlib, sys, time

from kinomill_client import Client
from kinomill_client.api.jobs import get_job, submit_job
from kinomill_client.models import (
    JobForm, JobFormModel, PreviewLipsyncInput, PreviewLipsyncSubmission,
)
from kinomill_client.types import File

url, example, image, audio = sys.argv[1:]
client = Client(base_url=url, raise_on_unexpected_status=True)


def finished(job):
    while job.status.value in ("queued", "running"):
        time.sleep(0.1)
        job = get_job.sync(job.id, client=client)
    return job


body = PreviewLipsyncSubmission.from_dict(json.loads(example))
by_json = submit_job.sync(client=client, body=body)
form = JobForm(
    model=JobFormModel.PREVIEW_LIPSYNC,
    image=File(payload=pathlib.Path(image).open("rb"), file_name="face.jpg"),
    audio=File(payload=pathlib.Path(audio).open("rb"), file_name="voice.wav"),
    fps="30",
)
by_form = submit_job.sync(client=client, body=form)
jobs = [finished(job) for job in (by_json, by_form)]
print(json.dumps([[job.status.value, job.result.fps] for job in jobs]))
"""

IMPORTS = """
import importlib, json, pkgutil

import kinomill_client

broken = {}
for module in pkgutil.walk_packages(kinomill_client.__path__, "kinomill_client."):
    try:
        importlib.import_module(module.name)
    except Exception as error:
        broken[module.name.rpartition(".")[2]] = str(error)
print(json.dumps(broken))
"""
FAULTS_OF_THE_GENERATOR = {"upload_file": "name 'Unset' is not defined"}
"""It forgets an import where a body has two types and no other parameter is optional."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The Python of a new environment that holds the generator and nothing of ours."""
    folder = tmp_path_factory.mktemp("generator")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", GENERATOR)
    return python


def run(*command, **options):
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_generated_client_submits_json_and_a_form_and_polls(
    stack, environment, photo, voice, tmp_path
):
    document = httpx.get(f"{stack.url}/openapi.json").json()
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    (tmp_path / "config.json").write_text(json.dumps({"post_hooks": []}))
    (tmp_path / "script.py").write_text(SCRIPT)
    bodies = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]
    example = bodies["application/json"]["examples"]["preview-lipsync"]["value"]

    said = run(
        environment, "-m", "openapi_python_client", "generate", "--path", "openapi.json",
        "--config", "config.json", "--output-path", "client", cwd=tmp_path,
    )  # fmt: skip
    jobs = run(
        environment, "script.py", stack.url, json.dumps(example), photo, voice,
        cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "client")},
    )  # fmt: skip

    broken = run(environment, "-c", IMPORTS, env={"PYTHONPATH": str(tmp_path / "client")})

    assert json.loads(broken) == FAULTS_OF_THE_GENERATOR
    assert "/v1/jobs within" not in said, "a part of the submission was left out"
    assert json.loads(jobs) == [["succeeded", 25.0], ["succeeded", 30.0]]
