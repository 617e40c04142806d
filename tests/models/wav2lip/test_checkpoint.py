"""Every form of a published checkpoint loads into the same network."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from models.wav2lip.checkpoint import convert, load
from models.wav2lip.network import Wav2Lip
from tests.models.golden import figures


@pytest.fixture(scope="module")
def state():
    return figures.filled(Wav2Lip().state_dict(), gain=0.75)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("checkpoints")


def training(state, path):
    content = {
        "state_dict": {f"module.{name}": tensor for name, tensor in state.items()},
        "optimizer": {"state": {0: {"step": 1, "exp_avg": torch.zeros(2)}}, "param_groups": []},
        "global_step": 5,
        "global_epoch": 1,
    }
    torch.save(content, path, _use_new_zipfile_serialization=False)


def scripted(state, path):
    network = Wav2Lip()
    network.load_state_dict(state)
    example = torch.zeros(1, 1, 80, 16), torch.zeros(1, 6, 96, 96)
    torch.jit.save(torch.jit.trace(network.eval(), example), path)


FORMS = {
    "training.pth": training,
    "plain.pth": lambda state, path: torch.save(state, path),
    "old.pth": lambda state, path: torch.save(state, path, _use_new_zipfile_serialization=False),
    "tensors.safetensors": lambda state, path: save_file(state, path),
    "named wrongly.pth": lambda state, path: save_file(state, path),
    "scripted.pt": scripted,
}


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("form", FORMS)
def test_every_file_format_gives_the_same_network(state, folder, form):
    path = folder / form
    FORMS[form](state, path)

    network = load(path)

    found = network.state_dict()
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    assert all(torch.equal(found[name], state[name]) for name in state if "tracked" not in name)
    path.unlink()


def test_missing_batch_counters_start_at_zero(state, folder):
    path = folder / "uncounted.safetensors"
    save_file({name: tensor for name, tensor in state.items() if "tracked" not in name}, path)

    assert load(path).state_dict()["output_block.0.conv_block.1.num_batches_tracked"] == 0


@pytest.mark.parametrize(("dtype", "share"), [("fp32", 1.0), ("fp16", 0.5)])
def test_a_converted_checkpoint_is_smaller_with_the_same_weights(state, folder, dtype, share):
    source, target = folder / "source.pth", folder / f"{dtype}.safetensors"
    training(state, source)

    convert(source, target, dtype=dtype)

    found = load(target).state_dict()
    assert target.stat().st_size == pytest.approx(145.3e6 * share, rel=0.01)
    for name in state:
        assert torch.allclose(found[name], state[name], rtol=1e-3, atol=1e-6)
