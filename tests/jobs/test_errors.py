"""Error codes: a closed list that covers whatever models/ and storage/ raise."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from jobs.errors import JOB_CODES, ErrorCode
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


def codes_of_jobs():
    """Names of the codes with which workers and maintenance end jobs."""
    files = [*ROOT.glob("workers/child/**/*.py"), *ROOT.glob("workers/parent/*.py")]
    files += [ROOT / "jobs" / name for name in ("lease.py", "reaper.py", "supervision.py")]
    files.append(ROOT / "jobs" / "queue" / "start_deadline.py")
    return {name for one in files for name in re.findall(r"ErrorCode\.([A-Z_]+)", one.read_text())}


def test_the_codes_that_a_job_can_end_with_are_listed():
    """Their counters begin at 0, so that the first of them is an increase."""
    rejected = {code for code in raised_codes() if code in set(ErrorCode)} - {"invalid_data_uri"}

    assert {ErrorCode[name] for name in codes_of_jobs()} <= set(JOB_CODES)
    assert rejected <= set(JOB_CODES)


def test_an_unknown_code_becomes_model_error():
    assert ErrorCode.of("too_large") is ErrorCode.TOO_LARGE
    assert ErrorCode.of("no_unicorn") is ErrorCode.MODEL_ERROR
