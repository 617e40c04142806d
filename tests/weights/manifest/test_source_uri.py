import pytest
from hypothesis import given
from hypothesis import strategies as st

from weights.manifest.source_uri import Origin

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("uri", "scheme", "pinned"),
    [
        (f"hf://acme/tiny@{COMMIT}/unet/model.safetensors", "hf", True),
        ("hf://acme/tiny@main/model.safetensors", "hf", False),
        ("hf://acme/tiny@refs%2Fpr%2F1/model.safetensors", "hf", False),
        (f"hf://acme/tiny@{COMMIT}/voices/*.pt", "hf", True),
        ("gs://bucket/models/x.bin", "gs", True),
        ("https://example.com/x.bin?download=true", "https", True),
        ("http://127.0.0.1:8000/x.bin", "http", True),
        ("file:///srv/weights/x.bin", "file", True),
    ],
)
def test_a_source_is_read_and_written_as_it_was(uri, scheme, pinned):
    origin = Origin.parse(uri)

    assert (origin.scheme, origin.pinned, str(origin)) == (scheme, pinned, uri)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "model.safetensors",
        "/srv/weights/x.bin",
        "ftp://example.com/x.bin",
        "hf://tiny@main/x",
        "hf://acme/tiny/x",
        "hf://acme/tiny@main",
        "hf://acme/tiny@main/",
        "gs://bucket",
        "gs://bucket/",
        "gs:///key",
        "https://example.com",
        "https:///x.bin",
        "file://",
    ],
)
def test_what_names_no_file_is_refused_with_the_forms_there_are(uri):
    with pytest.raises(ValueError, match="hf://owner/name@revision/path"):
        Origin.parse(uri)


def test_a_file_of_the_hub_tells_its_parts():
    origin = Origin.parse("hf://acme/tiny.v1@refs%2Fpr%2F1/unet/model.safetensors")

    assert origin.repo == "acme/tiny.v1"
    assert origin.revision == "refs/pr/1"
    assert origin.path == "unet/model.safetensors"


def test_only_the_hub_has_a_repository():
    with pytest.raises(ValueError, match="is not on the Hub"):
        _ = Origin.parse("gs://bucket/key").repo


def test_a_branch_is_pinned_to_a_commit_and_a_pattern_to_a_file():
    origin = Origin.parse("hf://acme/tiny@main/voices/*.pt")

    locked = origin.at(COMMIT, "voices/af_heart.pt")

    assert str(locked) == f"hf://acme/tiny@{COMMIT}/voices/af_heart.pt"
    assert locked.pinned
    assert str(origin.at(COMMIT)) == f"hf://acme/tiny@{COMMIT}/voices/*.pt"


@given(
    revision=st.text(st.characters(categories=["L", "N", "P"], codec="utf-8"), min_size=1),
    path=st.text("abc/._-0", min_size=1),
)
def test_any_revision_comes_back_as_it_went_in(revision, path):
    origin = Origin.parse("hf://acme/tiny@main/x").at(revision, path)

    read = Origin.parse(str(origin))

    assert (read.repo, read.revision, read.path) == ("acme/tiny", revision, path)
