"""deploy/registry-cache: two registries that only this machine reaches."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "deploy" / "registry-cache"
PROBE = '#!/bin/sh\necho "$*|${REGISTRY_PROXY_USERNAME-}|${REGISTRY_PROXY_PASSWORD-}"\n'


@pytest.fixture
def services():
    return yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]


def test_the_registries_listen_on_loopback_only(services):
    ports = [port for service in services.values() for port in service["ports"]]

    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_registries_write_to_their_volume_only(services):
    for service in services.values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        written = [volume for volume in service["volumes"] if not volume.endswith(":ro")]
        assert [volume.partition(":")[2] for volume in written] == ["/var/lib/registry"]


def test_the_mounted_files_exist(services):
    mounted = [
        volume.split(":")[0]
        for service in services.values()
        for volume in service["volumes"]
        if volume.startswith("./")
    ]

    assert all((FOLDER / name).is_file() for name in mounted)


def test_only_the_mirror_has_an_upstream():
    mirror, own = (
        yaml.safe_load((FOLDER / f"{name}.yml").read_text()) for name in ("mirror", "registry")
    )

    assert mirror["proxy"]["remoteurl"] == "https://registry-1.docker.io"
    assert "proxy" not in own
    assert all(config["storage"]["delete"]["enabled"] for config in (mirror, own))


def test_daemons_and_builders_use_the_port_of_the_mirror(services):
    (port,) = services["mirror"]["ports"]
    daemon = json.loads((FOLDER / "daemon.json").read_text())
    builder = tomllib.loads((FOLDER / "buildkitd.toml").read_text())

    assert port == "127.0.0.1:${MIRROR_PORT:-5001}:5000"
    assert daemon["registry-mirrors"] == ["http://127.0.0.1:5001"]
    assert builder["registry"]["docker.io"]["mirrors"] == ["127.0.0.1:5001"]


@pytest.mark.parametrize(
    ("login", "expected"),
    [("", "serve {config}||"), ("someone:to:ken\n", "serve {config}|someone|to:ken")],
    ids=["none", "account"],
)
def test_the_mirror_logs_in_if_the_secret_holds_a_login(tmp_path, login, expected):
    registry, secret = tmp_path / "registry", tmp_path / "docker_hub"
    registry.write_text(PROBE)
    registry.chmod(0o755)
    secret.write_text(login)
    script = (FOLDER / "start.sh").read_text().replace("/run/secrets/docker_hub", str(secret))

    done = subprocess.run(
        ["sh", "-c", script],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=20,
    )

    assert done.stdout.strip() == expected.format(config="/etc/distribution/config.yml")
