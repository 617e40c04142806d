"""`kinomill models push`: a mirror of your own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cli.models import model_selection, options
from cli.models.fetch import Order
from cli.models.formatting import amount
from cli.models.interrupts import Stop, run_stoppable
from cli.models.progress_bars import Bars
from weights.errors import PullStopped, WeightsError
from weights.volume.volume import Volume

if TYPE_CHECKING:
    from weights.manifest.manifest import Selection
    from weights.mirror.push import Pushed

Target = Annotated[
    str,
    typer.Argument(
        metavar="MIRROR",
        help="gs://bucket/prefix with the credentials of this machine, or file:///folder.",
        show_default=False,
    ),
]


def push(
    name: options.Name,
    mirror: Target,
    profile: options.Profile = None,
    volume: options.Volume = None,
    as_json: options.AsJson = False,
) -> None:
    """Copy a model that is on the volume to a mirror, so that workers pull from there.

    Each file is hashed before it goes and compared when it has arrived; what the mirror has
    already stays. MIRROR/blobs/SHA256 are the files, MIRROR/models/NAME/weights.toml is written
    last. Workers and pulls with KINOMILL_WEIGHTS_MIRROR=MIRROR ask there first.

    Example: kinomill models push wan2.2-i2v gs://my-bucket/weights

    Exit code: 0 all is there, 1 not, 2 usage, 130 interrupted: what has arrived stays.
    """
    settings = options.settings(volume)
    one = model_selection.named(name)
    order = Order(one, one.profile(settings, profile))
    store = Volume(settings.weights)
    selection = _whole(order, store)
    pushed = _push(order, selection, store, mirror)
    if as_json:
        told = {"name": one.name, "profile": order.profile, "mirror": mirror}
        figures = {"sent": pushed.sent, "present": pushed.present, "bytes": pushed.sent_bytes}
        typer.echo(json.dumps(told | figures))
    else:
        typer.echo(
            f"{order}: {len(pushed.sent)} files ({amount(pushed.sent_bytes)}) sent to {mirror}, "
            f"{len(pushed.present)} were there"
        )


def _whole(order: Order, volume: Volume) -> Selection:
    selection = order.choice.manifest.select(order.profile)
    lacking = volume.missing(selection)
    if lacking:
        raise WeightsError(
            f"{order} lacks {len(lacking)} of {len(selection.files)} files on {volume.root}: run "
            f"`kinomill models pull {order.choice.name} --profile {order.profile}` first"
        )
    return selection


def _push(order: Order, selection: Selection, volume: Volume, mirror: str) -> Pushed:
    # The bucket's client costs half a second to import: only who pushes pays.
    from weights.mirror.push import open_mirror, push

    stop, console = Stop(), Console(stderr=True)
    target = open_mirror(mirror)
    try:
        with Bars(console, f"{order} to {mirror}") as bars:
            return run_stoppable(
                lambda: push(
                    selection, order.choice.path, volume, target, watch=bars.show, stop=stop
                ),
                stop,
            )
    except PullStopped as error:
        console.print(str(error))
        raise typer.Exit(stop.exit_code) from None
