"""Codes: a closed list that covers whatever models and storage say."""

from __future__ import annotations

import ast
from pathlib import Path

from jobs.errors import ErrorCode

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


def spoken():
    files = [*ROOT.glob("models/**/*.py"), *ROOT.glob("storage/**/*.py")]
    return {code for file in files for code in codes_in(ast.parse(file.read_text()))}


def test_every_code_of_models_and_storage_is_on_the_list():
    assert {"no_face", "url_not_allowed", "model_error"} <= spoken()
    assert spoken() <= {code.value for code in ErrorCode}


def test_a_code_that_is_not_on_the_list_becomes_a_model_error():
    assert ErrorCode.of("no_face") is ErrorCode.NO_FACE
    assert ErrorCode.of("no_unicorn") is ErrorCode.MODEL_ERROR
