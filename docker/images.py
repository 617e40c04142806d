"""Build the images and compare their sizes with docker/budgets.toml: `python3 docker/images.py`.

Builds the targets of docker-bake.hcl with `docker buildx build` and writes each one as an OCI
archive with layers compressed by zstd, level 3; with `--load` it also loads the image into the
daemon, which needs the containerd image store or a separate builder (`docker buildx create --use`).
Exit code 1 if an image is larger than its budget.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TARGETS = ("api", "worker-cpu", "worker", "worker-slim")
ZSTD = "compression=zstd,compression-level=3,force-compression=true"
ROW = "{:<12} {:>14} {:>10} {:>12} {:>7} {:>8}\n"


@dataclass(frozen=True)
class Built:
    """Measurements of one image; sizes in bytes."""

    name: str
    layers: tuple[tuple[str, int], ...]
    """Digest and compressed size of each, from the base up."""
    unpacked: int | None
    seconds: float

    @property
    def compressed(self) -> int:
        """Bytes that a pull of all layers transfers."""
        return sum(size for _, size in self.layers)


def main() -> None:
    """Build, print the table, compare with the budgets."""
    options = arguments()
    targets = bake(options.target or list(TARGETS), options.overrides)
    budgets = tomllib.loads((HERE / "budgets.toml").read_text())
    options.out.mkdir(parents=True, exist_ok=True)
    built = [build(name, target, options) for name, target in targets.items()]
    sys.stdout.write(table(built, budgets))
    (options.out / "images.json").write_text(json.dumps([vars(one) for one in built], indent=1))
    sys.exit(any(too_large(one, budgets) for one in built))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--target", action="append", help=f"default: {', '.join(TARGETS)}")
    parser.add_argument("--load", action="store_true", help="also load the images into the daemon")
    parser.add_argument(
        "--release", action="store_true", help="also fix the times in the base image; takes minutes"
    )
    parser.add_argument("--network", help="network of the build steps, e.g. host")
    parser.add_argument(
        "--set", action="append", default=[], dest="overrides", metavar="TARGET.KEY=VALUE",
        help="as of `docker buildx bake`, e.g. worker-baked.contexts.weights=FOLDER",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("build/images"), help="for the archives")
    return parser.parse_args()


def bake(names: list[str], overrides: list[str]) -> dict[str, Any]:
    """These targets as docker-bake.hcl, the environment and the overrides define them."""
    command = ["docker", "buildx", "bake", "-f", "docker-bake.hcl", "--print", *names]
    command += [f"--set={one}" for one in overrides]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=HERE.parent)
    targets: dict[str, Any] = json.loads(printed.stdout)["target"]
    return {name: targets[name] for name in names}


def build(name: str, target: dict[str, Any], options: argparse.Namespace) -> Built:
    """Build one target and measure its archive."""
    archive = options.out.resolve() / f"{name}.tar"
    command = build_command(target, options.network)
    started = time.monotonic()
    output = f"--output=type=oci,dest={archive},{ZSTD}"
    output += ",rewrite-timestamp=true" if options.release else ""
    subprocess.run([*command, output, "."], check=True)
    seconds = time.monotonic() - started
    if options.load:
        subprocess.run(["docker", "load", f"--input={archive}"], check=True)
    with tarfile.open(archive) as opened:
        layers = tuple((layer["digest"], layer["size"]) for layer in manifest(opened)["layers"])
        unpacked = unpacked_bytes(opened, [digest for digest, _ in layers])
    return Built(name, layers, unpacked, seconds)


def build_command(target: dict[str, Any], network: str | None) -> list[str]:
    """The `docker buildx build` command of a target: bake itself has no option for the network."""
    words = ["docker", "buildx", "build", f"--file={target['dockerfile']}"]
    words += [f"--target={target['target']}", "--provenance=false"]
    words += [f"--build-arg={key}={value}" for key, value in target["args"].items()]
    words += [f"--build-context={key}={at}" for key, at in target.get("contexts", {}).items()]
    for option, key in {"tag": "tags", "secret": "secret", "cache-from": "cache-from"}.items():
        words += [f"--{option}={value}" for value in target.get(key, [])]
    words += [f"--cache-to={value}" for value in target.get("cache-to", [])]
    return words + ([f"--network={network}"] if network else [])


def manifest(archive: tarfile.TarFile) -> dict[str, Any]:
    """The image's manifest, which may be nested in an index."""
    found = _json(archive, "index.json")
    while "manifests" in found:
        found = _json(archive, _blob(found["manifests"][0]["digest"]))
    return found


def unpacked_bytes(archive: tarfile.TarFile, digests: list[str]) -> int | None:
    """Bytes of all layers as plain tar; None without the program `zstd`."""
    zstd = shutil.which("zstd")
    return sum(_expanded(archive, digest, zstd) for digest in digests) if zstd else None


def _expanded(archive: tarfile.TarFile, digest: str, zstd: str) -> int:
    member = archive.getmember(_blob(digest))
    head = 'tail -c "+$2" "$1" | head -c "$3" | "$4" -dc | wc -c'
    values = [str(archive.name), str(member.offset_data + 1), str(member.size), zstd]
    command = ["sh", "-c", head, "sh", *values]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _json(archive: tarfile.TarFile, name: str) -> dict[str, Any]:
    file = archive.extractfile(name)
    if file is None:
        sys.exit(f"no file {name} in the archive")
    content: dict[str, Any] = json.load(file)
    return content


def too_large(built: Built, budgets: dict[str, int]) -> bool:
    """Whether the image exceeds its budget; an image without a budget never does."""
    return built.compressed > budgets.get(built.name, built.compressed) * 10**6


def table(built: list[Built], budgets: dict[str, int]) -> str:
    """The measurements, one row per image; sizes in MB (10^6 bytes)."""
    head = ROW.format("image", "compressed MB", "budget MB", "unpacked MB", "layers", "seconds")
    return head + "".join(
        ROW.format(
            one.name,
            f"{one.compressed / 1e6:.1f}" + (" OVER" if too_large(one, budgets) else ""),
            budgets.get(one.name, "-"),
            f"{one.unpacked / 1e6:.0f}" if one.unpacked else "-",
            len(one.layers),
            f"{one.seconds:.0f}",
        )
        for one in built
    )


if __name__ == "__main__":
    main()
