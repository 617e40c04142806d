"""`kinomill models push`: copy a model to a mirror."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cli.models import model_selection, options
from cli.models.formatting import format_bytes
from cli.models.model_selection import ModelProfile
from cli.models.transfer.interrupts import StopEvent, run_interruptible
from cli.models.transfer.progress_bars import ProgressBars
from weights.errors import PullStopped, WeightsError
from weights.trust import Trust
from weights.volume.volume import Volume

if TYPE_CHECKING:
    from cli.models.model_selection import SelectedModel
    from cli.models.settings import ModelsSettings
    from weights.manifest.manifest import Selection
    from weights.mirror.push import PushResult

MirrorUri = Annotated[
    str,
    typer.Argument(
        metavar="MIRROR",
        help="gs://bucket/prefix, with the Google credentials of this machine, or file:///folder.",
        show_default=False,
    ),
]


def push(
    name: options.Name,
    mirror: MirrorUri,
    profile: options.Profile = None,
    volume: options.Volume = None,
    as_json: options.AsJson = False,
) -> None:
    """Copy a model from the volume to a mirror that workers can pull from.

    Each file is hashed before the upload and compared after it; files that the
    mirror already has are not sent again. The files are stored as
    MIRROR/blobs/SHA256, and MIRROR/models/NAME/weights.toml is written last.
    Workers and pulls with KINOMILL_WEIGHTS_MIRROR=MIRROR try the mirror first.

    Example: kinomill models push wan2.2-i2v gs://my-bucket/weights

    Exit code: 0 the mirror is complete, 1 it is not, 2 usage error, 130
    interrupted (uploaded files stay).
    """
    settings = options.settings(volume)
    model = next(model_selection.with_weights([name]), None)
    if model is not None:
        _push_model(model, mirror, profile, settings, as_json=as_json)
    elif as_json:
        nothing = {"sent": [], "present": [], "bytes": 0}
        typer.echo(json.dumps({"name": name, "profile": None, "mirror": mirror} | nothing))


def _push_model(
    model: SelectedModel,
    mirror: str,
    profile: str | None,
    settings: ModelsSettings,
    *,
    as_json: bool,
) -> None:
    target = ModelProfile(model, model.profile(settings, profile))
    store = Volume(settings.weights)
    selection = _complete_selection(target, store)
    pushed = _push(target, selection, store, mirror)
    if as_json:
        entry = {"name": model.name, "profile": target.profile, "mirror": mirror}
        figures = {"sent": pushed.sent, "present": pushed.present, "bytes": pushed.sent_bytes}
        typer.echo(json.dumps(entry | figures))
    else:
        typer.echo(
            f"{target}: {len(pushed.sent)} files ({format_bytes(pushed.sent_bytes)}) sent to "
            f"{mirror}, {len(pushed.present)} were already there"
        )


def _complete_selection(target: ModelProfile, volume: Volume) -> Selection:
    selection = volume.select(target.model.manifest, target.profile)
    selection.require(Trust.HUB)
    missing = volume.missing(selection)
    if missing:
        raise WeightsError(
            f"{target}: {len(missing)} of {len(selection.files)} files are missing on "
            f"{volume.root}: run `kinomill models pull {target.model.name} "
            f"--profile {target.profile}` first"
        )
    return selection


def _push(target: ModelProfile, selection: Selection, volume: Volume, uri: str) -> PushResult:
    # imported here: Google's client takes half a second
    from weights.mirror.factory import open_mirror
    from weights.mirror.push import push

    stop, console = StopEvent(), Console(stderr=True)
    mirror = open_mirror(uri)
    manifest = target.model.path
    try:
        with ProgressBars(console, f"{target} to {uri}") as bars:
            return run_interruptible(
                lambda: push(selection, manifest, volume, mirror, on_progress=bars.show, stop=stop),
                stop,
            )
    except PullStopped as error:
        console.print(str(error))
        raise typer.Exit(stop.exit_code) from None
