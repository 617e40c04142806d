"""A TorchScript archive is read as data: whatever it holds, nothing of it runs."""

from __future__ import annotations

import io
import os
import pickle
import random
import struct
import zipfile

import pytest
import torch
from torch import nn

from models.checkpoints import read_tensors
from models.errors import WeightsInvalid
from models.kokoro import files

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*torch.jit:DeprecationWarning", "ignore:Duplicate name:UserWarning"
)


class Tree(nn.Module):
    """Every kind of attribute that PyTorch stores beside weights."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.layers = nn.ModuleList([nn.Linear(3, 2).half(), nn.BatchNorm2d(2)])
        self.register_buffer("empty", torch.zeros(0))
        self.register_buffer("turned", torch.arange(12).reshape(3, 4).t())
        self.sizes, self.names, self.rate, self.table = [1, 2], ["a"], 0.5, {"x": 1}
        self.tied = self.first

    def forward(self, x):
        return self.first(x) + self.tied(x) * len(self.sizes)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "archive.pt"


@pytest.fixture
def mark(tmp_path):
    """A file that hostile code would create."""
    return tmp_path / "code ran"


@pytest.mark.parametrize("write", [torch.jit.script, lambda tree: torch.jit.trace(tree, INPUT)])
def test_all_tensors_of_an_archive_are_read(path, write):
    torch.jit.save(write(Tree().eval()), str(path))
    wanted = dict(torch.jit.load(str(path)).state_dict())

    found = read_tensors(path)

    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


INPUT = torch.zeros(3, 3)


def test_code_of_an_archive_does_not_run(path, mark):
    """PyTorch runs `__setstate__` when it loads the archive."""
    torch.jit.save(torch.jit.script(WritesFile(str(mark))), str(path))
    torch.jit.load(str(path))
    assert mark.exists()
    mark.unlink()

    with pytest.raises(WeightsInvalid, match=r"torch\.jit\.load"):
        read_tensors(path)

    assert not mark.exists()


class WritesFile(nn.Module):
    """Creates a file when it is loaded. PyTorch reads the comments as types."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.values = torch.zeros(4)

    def forward(self, x):
        return x

    @torch.jit.export
    def __getstate__(self):
        # type: () -> Tuple[str, bool]
        return self.path, self.training

    @torch.jit.export
    def __setstate__(self, state):
        # type: (Tuple[str, bool]) -> None
        self.path, self.training = state[0], state[1]
        self.values = torch.from_file(self.path, True, 4)


def archive(path, pickled, entries=(), **options):
    """A TorchScript archive with this pickle and these further entries."""
    with zipfile.ZipFile(path, "w", **options) as written:
        written.writestr("a/data.pkl", pickled)
        written.writestr("a/code/__torch__.py", "")
        written.writestr("a/constants.pkl", b"\x80\x02).")
        for name, content in entries:
            written.writestr(name, content)
    return path


def module(attributes):
    """The pickle of a module with this pickled dict of attributes."""
    return b"\x80\x02c__torch__\nNet\n)\x81}(" + attributes + b"ub."


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def tensor(key="0", count=4, size=(4,), stride=(1,), offset=0, kind="FloatStorage"):
    """The pickled reference to a tensor, as PyTorch writes it."""

    def number(value):
        return pickle.dumps(value, 2)[2:-1]

    storage = text("storage") + b"ctorch\n" + kind.encode() + b"\n" + text(key) + text("cpu")
    view = b"".join(b"(" + b"".join(map(number, each)) + b"t" for each in (size, stride))
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n((" + storage + number(count) + b"tQ"
        + number(offset) + view + b"\x89ccollections\nOrderedDict\n)RtR"
    )  # fmt: skip


VALUES = ("a/data/0", struct.pack("<4f", 1, 2, 3, 4))


def test_an_archive_of_the_form_used_below_is_read(path):
    archive(path, module(text("weight") + tensor()), [VALUES])

    assert read_tensors(path)["weight"].tolist() == [1, 2, 3, 4]


class Reduce:
    """An object whose pickle calls a function."""

    def __init__(self, function, *arguments):
        self._call = function, arguments

    def __reduce__(self):
        return self._call


def test_no_function_of_a_pickle_is_called(path, mark):
    for protocol in range(6):
        for call in (Reduce(os.system, f"touch '{mark}'"), Reduce(open, str(mark), "w")):
            for hidden in (call, {"weight": call}, [call], (call,)):
                archive(path, pickle.dumps(hidden, protocol), [VALUES])
                with pytest.raises(WeightsInvalid, match="which is not read"):
                    read_tensors(path)

    assert not mark.exists()


CALL = b"cos\nsystem\n" + text("touch ran") + b"\x85R"
HOSTILE = {
    "a call as an attribute": module(text("weight") + CALL),
    "a call in a tensor": module(
        text("w") + b"ctorch._utils\n_rebuild_tensor_v2\n(" + CALL + b"tR"
    ),
    "a call of an object's state": b"\x80\x02c__torch__\nNet\n)\x81" + CALL + b"b.",
    "an object of another class": b"\x80\x02cos\n_wrap_close\n)\x81}b.",
    "an object with arguments": b"\x80\x02c__torch__\nNet\n" + text("a") + b"\x85\x81}b.",
    "an instance by OBJ": b"\x80\x02(cos\nsystem\n" + text("touch ran") + b"o.",
    "an instance by INST": b"(" + text("touch ran") + b"ios\nsystem\n.",
    "a global from the stack": b"\x80\x04" + text("os") + text("system") + b"\x93.",
    "an extension": b"\x80\x02\x82\x01.",
    "a reference in text": b"Pos.system\n.",
    "a reference to a file": module(text("w") + text("/etc/passwd") + b"Q"),
    "a reference out of the folder": module(text("w") + tensor("../../constants")),
    "a reference to the code": module(text("w") + tensor("../code/__torch__.py")),
    "a storage of an unknown type": module(text("w") + tensor(kind="UntypedStorage")),
    "a storage of 2^60 values": module(text("w") + tensor(count=2**60)),
    "a storage of too few values": module(text("w") + tensor(count=2, size=(2,))),
    "a view of 2^40 values": module(text("w") + tensor(size=(2**20, 2**20), stride=(0, 0))),
    "a view beyond its storage": module(text("w") + tensor(offset=2)),
    "a view before its storage": module(text("w") + tensor(offset=-1)),
    "a view with a negative step": module(text("w") + tensor(stride=(-1,), offset=3)),
    "a view with a step of text": module(text("w") + tensor(stride=("1",))),
    "a view of 99 sides": module(text("w") + tensor(size=(1,) * 99, stride=(1,) * 99)),
    "a set": b"\x80\x04\x8f.",
    "bytes": module(text("w") + b"C\x01a"),
    "a state that is no dict": b"\x80\x02c__torch__\nNet\n)\x81]b.",
    "a state with numbers as names": b"\x80\x02c__torch__\nNet\n)\x81}(K\x01K\x02ub.",
    "a list as a key": module(b"]" + tensor()),
    "a key of 10^6 tuples in tuples": module(b")" + b"\x85" * 1_000_000 + b"N"),
    "a key of 2^99 tuples": module(b")" + b"q\x00h\x00\x86" * 99 + b"N"),
    "a reference of 2^99 tuples": module(text("w") + b")" + b"q\x00h\x00\x86" * 99 + b"Q"),
    "an empty view with a side of 2^70": module(
        text("w") + tensor(size=(0, 2**70), stride=(1, 1))
    ),
    "an empty view with sides of 2^80": module(
        text("w") + tensor(size=(0, 2**40, 2**40), stride=(1, 1, 1))
    ),
    "no module": b"\x80\x02}.",
    "an empty stack": b"\x80\x02.",
    "an unknown memo": b"\x80\x02h\x05.",
    "no end": b"\x80\x02}",
    "nothing": b"",
    "a module in itself": b"\x80\x02c__torch__\nNet\n)\x81q\x00}" + text("m") + b"h\x00sb.",
    "2^40 modules": b"\x80\x02c__torch__\nNet\n)\x81}b" + b"".join(
        b"q" + bytes([n]) + b"c__torch__\nNet\n)\x81}(" + text("a") + b"h" + bytes([n])
        + text("b") + b"h" + bytes([n]) + b"ub" for n in range(40)
    ) + b".",
    "a pickle of 5 MB": b"\x80\x02" + b"N" * 5_000_000 + b".",
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_pickle_is_refused_with_the_way_to_convert_it(path, case, monkeypatch):
    monkeypatch.chdir(path.parent)
    archive(path, HOSTILE[case], [VALUES])

    with pytest.raises(WeightsInvalid, match=r"torch\.save\(torch\.jit\.load") as refused:
        read_tensors(path)

    assert "which is not read" in str(refused.value)
    assert not (path.parent / "ran").exists()


def link(name):
    """An entry that is a symbolic link."""
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o120777 << 16
    return entry


@pytest.mark.parametrize("name", ["../../outside", "/tmp/outside", "a/../../outside", "a\\..\\b"])
def test_entries_never_leave_the_folder(path, name):
    archive(path, module(text("weight") + tensor()), [VALUES, (name, b"x"), (link("l"), b"/etc")])
    before = sorted(path.parent.parent.rglob("*"))

    assert read_tensors(path)["weight"].tolist() == [1, 2, 3, 4]

    assert sorted(path.parent.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([("a/data/0", bytes(10_000_000))], "compressed"),
        ([VALUES, VALUES], "two entries"),
        ([("a/data.pkl", b"\x80\x02}.")], "two entries"),
    ],
)
def test_an_archive_unlike_those_of_pytorch_is_refused(path, entries, reason):
    archive(path, module(text("weight") + tensor()), entries, compression=zipfile.ZIP_DEFLATED)
    if reason == "two entries":
        archive(path, module(text("weight") + tensor()), entries)

    with pytest.raises(WeightsInvalid, match=reason):
        read_tensors(path)


def test_a_compressed_bomb_in_a_plain_checkpoint_is_refused(path):
    torch.save({"weight": torch.zeros(2_000_000)}, path)
    bomb = io.BytesIO()
    with zipfile.ZipFile(path) as plain, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in plain.namelist():
            packed.writestr(entry, plain.read(entry))
    path.write_bytes(bomb.getvalue())
    assert len(bomb.getvalue()) < 20_000

    with pytest.raises(WeightsInvalid, match="compressed"):
        read_tensors(path)


def test_entries_that_share_their_bytes_are_refused(path):
    """Every entry of the directory is changed to point to the largest one."""
    archive(
        path, module(text("weight") + tensor()), [(f"a/data/{n}", bytes(4000)) for n in range(9)]
    )
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    del content[content.index(b"a/data/1") - 30 : directory]
    struct.pack_into(
        "<I", content, content.rindex(b"PK\x05\x06") + 16, content.index(b"PK\x01\x02")
    )
    path.write_bytes(content)

    with pytest.raises(WeightsInvalid):
        read_tensors(path)


def test_a_damaged_archive_raises_nothing_but_weights_invalid(path):
    torch.jit.save(torch.jit.script(Tree().eval()), str(path))
    whole, chance, refused = path.read_bytes(), random.Random(3), 0

    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            read_tensors(path)
        except WeightsInvalid:
            refused += 1

    assert refused > 50


def test_other_readers_of_pickles_refuse_these_archives(path):
    torch.jit.save(torch.jit.script(Tree().eval()), str(path))

    with pytest.raises(WeightsInvalid):
        files.load_pickle(path)
