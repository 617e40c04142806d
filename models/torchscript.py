"""Reads the tensors of a TorchScript archive, and runs no code from it.

PyTorch's own reader, `torch.jit.load`, compiles and runs the code in an archive, so it must not
read a file of strangers. The tensors stand beside the code: `data.pkl` is a pickle of the tree of
modules, whose tensors are numbered files. The interpreter here knows only what PyTorch writes into
that pickle: numbers, strings, lists, dicts, tensors, and objects of the archive's classes, of which
it makes empty shells. It never looks up a name, so a pickle can call nothing. This is the one
reader of pickles beside `torch.load(weights_only=True)`, which refuses these archives.
"""

from __future__ import annotations

import pickletools
import re
import zipfile
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, Final

import torch

from models.errors import WeightsInvalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor

MAX_PICKLE_BYTES: Final = 4 * 1024 * 1024
"""The pickle of a network of 10,000 tensors has 1 MB."""
MAX_TENSORS: Final = 100_000
MAX_DEPTH: Final = 64
"""Modules inside modules."""
MAX_SIDES: Final = 16
"""Of a tensor."""
_MAX_NUMBER: Final = 2**62
"""PyTorch counts values in 64 bits; an empty tensor may have other sides of any length."""

_DTYPES: Final = {
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}
_CLASSES: Final = "__torch__."
"""How the names of an archive's own classes begin."""
_KEYS: Final = (str, int, float, bool)
"""Keys of dicts. The hash of tuples inside tuples never ends, or overflows the stack."""
_TYPED: Final = {
    f"torch.jit._pickle.{name}"
    for name in ("build_intlist", "build_doublelist", "build_boollist", "build_tensorlist")
} | {"torch.jit._pickle.restore_type_tag"}
"""Functions that only name the type of their first argument."""


class Refused(Exception):
    """The archive holds something that is not read; says what."""


@dataclass(frozen=True)
class Name:
    """A class or function that a pickle names. It is compared, never looked up."""

    text: str


@dataclass
class Shell:
    """An object of a class of the archive: its attributes, without any behavior."""

    attributes: dict[str, Any] = field(default_factory=dict)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of all modules by name, as `state_dict()` of the loaded module would.

    The names of the zip's entries must have been checked (`tensor_archive`). Raises
    `WeightsInvalid`, which says how to convert an archive with other contents.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            tree = _Pickle(_Storages(archive)).load(_pickle(archive))
            return dict(_named_tensors(tree))
    except Refused as refused:
        raise _not_read(path, str(refused)) from refused
    except (LookupError, TypeError, ValueError) as error:
        raise _not_read(path, "a damaged pickle") from error


def _not_read(path: Path, what: str) -> WeightsInvalid:
    return WeightsInvalid(
        f"{path} is a TorchScript archive with {what}, which is not read: code in an archive is "
        "never run. If you trust its author, save its weights alone, with PyTorch: "
        "torch.save(torch.jit.load('IN.pt').state_dict(), 'OUT.pth')"
    )


def _pickle(archive: zipfile.ZipFile) -> bytes:
    entry = archive.getinfo(f"{_root(archive)}/data.pkl")
    if entry.file_size > MAX_PICKLE_BYTES:
        raise Refused(f"a pickle of more than {MAX_PICKLE_BYTES:,} bytes")
    return archive.read(entry)


def _root(archive: zipfile.ZipFile) -> str:
    """The folder that all entries are in."""
    return archive.namelist()[0].partition("/")[0]


class _Storages:
    """The numbered files with the values of tensors, each read once."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._root = _root(archive)
        self._contents: dict[str, bytearray] = {}
        if f"{self._root}/byteorder" in archive.namelist():
            order = archive.read(f"{self._root}/byteorder")
            if order != b"little":
                raise Refused("numbers in another byte order")

    def values(self, reference: object) -> Tensor:
        """All values of the storage that a pickle refers to, as a flat tensor."""
        match reference:
            case ("storage", Name(kind), str(key), str(), int(count)) if kind in _DTYPES:
                dtype = _DTYPES[kind]
            case _:
                raise Refused("an unknown reference")
        if not re.fullmatch("[0-9]{1,9}", key):
            raise Refused(f"a tensor named {key[:60]!r} instead of a number")
        if key not in self._contents:
            self._contents[key] = bytearray(self._archive.read(f"{self._root}/data/{key}"))
        content = self._contents[key]
        if len(content) != count * dtype.itemsize:
            raise Refused(f"a tensor of {len(content)} bytes for {count} values")
        return torch.frombuffer(content, dtype=dtype) if count else torch.empty(0, dtype=dtype)


def _tensor(arguments: tuple[Any, ...]) -> Tensor:
    """A view of a storage, with no more values than it has."""
    match arguments:
        case (torch.Tensor() as values, int(offset), tuple(size), tuple(stride), bool(), *_):
            pass
        case _:
            raise Refused("a tensor of an unknown form")
    numbers = (offset, *size, *stride)
    if not len(size) == len(stride) <= MAX_SIDES or not all(
        type(n) is int and n >= 0 for n in numbers
    ):
        raise Refused("a tensor of an unknown form")
    if max(prod(filter(None, size)), *numbers) >= _MAX_NUMBER:
        raise Refused("a tensor with an impossible shape or place")
    last = offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True))
    if prod(size) > len(values) or (prod(size) and last >= len(values)):
        raise Refused("a tensor that is larger than its values")
    return torch.as_strided(values, size, stride, offset)


class _Pickle:
    """Interprets the opcodes that PyTorch writes, and refuses all others."""

    def __init__(self, storages: _Storages) -> None:
        self._storages = storages
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def load(self, content: bytes) -> Any:
        """Return the object that the pickle describes."""
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name == "STOP":
                return self._pop()
            if opcode.name in _CONSTANTS:
                self._stack.append(_CONSTANTS[opcode.name])
            elif opcode.name in _LITERALS:
                self._stack.append(argument)
            elif opcode.name in _ACTIONS:
                _ACTIONS[opcode.name](self, argument)
            elif opcode.name not in _WITHOUT_EFFECT:
                raise Refused(f"the pickle instruction {opcode.name}")
        raise Refused("a pickle without an end")

    def _pop(self) -> Any:
        return self._stack.pop()

    def _since_mark(self) -> list[Any]:
        start = self._marks.pop()
        taken = self._stack[start:]
        del self._stack[start:]
        return taken

    def _mark(self, _: None) -> None:
        self._marks.append(len(self._stack))

    def _put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _memoize(self, _: None) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _get(self, index: int) -> None:
        self._stack.append(self._memo[index])

    def _new_dict(self, _: None) -> None:
        self._stack.append({})

    def _new_list(self, _: None) -> None:
        self._stack.append([])

    def _tuple(self, _: None) -> None:
        self._stack.append(tuple(self._since_mark()))

    def _tuple_of(self, count: int) -> None:
        taken = [self._pop() for _ in range(count)]
        self._stack.append(tuple(reversed(taken)))

    def _append(self, _: None) -> None:
        self._extend([self._pop()])

    def _appends(self, _: None) -> None:
        self._extend(self._since_mark())

    def _extend(self, values: list[Any]) -> None:
        if type(self._stack[-1]) is not list:
            raise Refused("a list of an unknown kind")
        self._stack[-1].extend(values)

    def _set(self, _: None) -> None:
        value, key = self._pop(), self._pop()
        self._update([key, value])

    def _sets(self, _: None) -> None:
        self._update(self._since_mark())

    def _update(self, pairs: list[Any]) -> None:
        if type(self._stack[-1]) is not dict:
            raise Refused("a dict of an unknown kind")
        if not all(type(key) in _KEYS for key in pairs[::2]):
            raise Refused("a dict with keys of an unknown kind")
        self._stack[-1].update(zip(pairs[::2], pairs[1::2], strict=True))

    def _global(self, argument: str) -> None:
        self._stack.append(Name(argument.replace(" ", ".")))

    def _persistent(self, _: None) -> None:
        self._stack.append(self._storages.values(self._pop()))

    def _new_object(self, _: None) -> None:
        arguments, kind = self._pop(), self._pop()
        if not (isinstance(kind, Name) and kind.text.startswith(_CLASSES) and arguments == ()):
            raise Refused(f"an object of {_shown(kind)}")
        self._stack.append(Shell())

    def _build(self, _: None) -> None:
        state, shell = self._pop(), self._stack[-1]
        if not (type(shell) is Shell and type(state) is dict and all(map(_is_str, state))):
            raise Refused("an object with a state of its own kind")
        shell.attributes = state

    def _reduce(self, _: None) -> None:
        arguments, function = self._pop(), self._pop()
        match function, arguments:
            case Name("torch._utils._rebuild_tensor_v2"), tuple():
                self._stack.append(_tensor(arguments))
            case Name("collections.OrderedDict"), ():
                self._stack.append({})
            case Name(text), (first, *_) if text in _TYPED:
                self._stack.append(first)
            case _:
                raise Refused(f"a call of {_shown(function)}")


def _is_str(value: object) -> bool:
    return type(value) is str


def _shown(value: object) -> str:
    return value.text[:100] if isinstance(value, Name) else type(value).__name__


_WITHOUT_EFFECT: Final = {"PROTO", "FRAME"}
_CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_LITERALS: Final = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"),
}
_ACTIONS: Final[dict[str, Callable[[_Pickle, Any], None]]] = {
    "MARK": _Pickle._mark,
    "BINPUT": _Pickle._put,
    "LONG_BINPUT": _Pickle._put,
    "MEMOIZE": _Pickle._memoize,
    "BINGET": _Pickle._get,
    "LONG_BINGET": _Pickle._get,
    "EMPTY_DICT": _Pickle._new_dict,
    "EMPTY_LIST": _Pickle._new_list,
    "TUPLE": _Pickle._tuple,
    "TUPLE1": lambda pickle, _: pickle._tuple_of(1),
    "TUPLE2": lambda pickle, _: pickle._tuple_of(2),
    "TUPLE3": lambda pickle, _: pickle._tuple_of(3),
    "APPEND": _Pickle._append,
    "APPENDS": _Pickle._appends,
    "SETITEM": _Pickle._set,
    "SETITEMS": _Pickle._sets,
    "GLOBAL": _Pickle._global,
    "BINPERSID": _Pickle._persistent,
    "NEWOBJ": _Pickle._new_object,
    "BUILD": _Pickle._build,
    "REDUCE": _Pickle._reduce,
}


def _named_tensors(tree: object) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a tree of modules by dotted name; other attributes are not weights."""
    if type(tree) is not Shell:
        raise Refused(f"a {type(tree).__name__} instead of a module")
    pending: list[tuple[str, Shell, int]] = [("", tree, 0)]
    seen = 0
    while pending:
        prefix, shell, depth = pending.pop()
        for name, value in shell.attributes.items():
            seen += 1
            if depth > MAX_DEPTH or seen > MAX_TENSORS:
                raise Refused("a module that contains itself, or too many of them")
            if isinstance(value, torch.Tensor):
                yield prefix + name, value
            elif type(value) is Shell:
                pending.append((f"{prefix}{name}.", value, depth + 1))
