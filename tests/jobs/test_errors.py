"""Error codes: a closed list that covers whatever models/ and storage/ raise."""

from __future__ import annotations

import ast
from pathlib import Path

from jobs.errors import ErrorCode
from models import catalog

ROOT = Path(__file__).parents[2]


def codes_in(tree):
    """The codes in a module: of rejections that it raises, and of error classes that it defines."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Name(id="InputRejected" | "MediaRejected"),
                args=[ast.Constant(value=str(code)), *_],
            ):
                yield code
            case ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=str(code))):
                yield code


def raised_codes():
    files = [*ROOT.glob("models/**/*.py"), *ROOT.glob("storage/**/*.py")]
    return {code for file in files for code in codes_in(ast.parse(file.read_text()))}


def test_every_code_that_models_or_storage_raise_is_declared():
    assert {"no_face", "url_not_allowed", "model_error"} <= raised_codes()
    assert raised_codes() <= {code.value for code in ErrorCode} | catalog.error_codes().keys()


def test_an_unknown_code_becomes_model_error():
    assert ErrorCode.of("too_large") is ErrorCode.TOO_LARGE
    assert ErrorCode.of("no_unicorn") is ErrorCode.MODEL_ERROR
