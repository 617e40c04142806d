import pytest
from hypothesis import given
from hypothesis import strategies as st

from weights.manifest.source_uri import SourceUri

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
def test_a_uri_is_parsed_and_written_unchanged(uri, scheme, pinned):
    source = SourceUri.parse(uri)

    assert (source.scheme, source.pinned, str(source)) == (scheme, pinned, uri)


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
def test_the_error_of_an_invalid_uri_lists_the_accepted_forms(uri):
    with pytest.raises(ValueError, match="hf://owner/name@revision/path"):
        SourceUri.parse(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "hf://../..@main/x",
        "hf://acme/..@main/x",
        "hf://acme/tiny@../x",
        "hf://acme/tiny@..%2F..%2Fetc/x",
        "hf://acme/tiny@%2Fetc/x",
        "hf://acme/tiny@main/../../x",
        "hf://acme/tiny@main/a\\..\\x",
        "hf://acme/tiny@main//etc/passwd",
        "hf://acme/tiny@main/a%00b",
        "gs://bucket/../x",
        "https://example.com/a/%2e%2e/%2E%2E/x",
        "https://example.com/..%2F..%2Fx",
        "https://example.com/a\x1b[2J",
        "file:///srv/../etc/passwd",
    ],
)
def test_a_uri_that_leads_out_of_a_folder_is_detected(uri):
    assert not SourceUri.parse(uri).stays_inside


def test_a_hub_uri_has_repository_revision_and_path():
    source = SourceUri.parse("hf://acme/tiny.v1@refs%2Fpr%2F1/unet/model.safetensors")

    assert source.repo == "acme/tiny.v1"
    assert source.revision == "refs/pr/1"
    assert source.path == "unet/model.safetensors"


def test_only_a_hub_uri_has_a_repository():
    with pytest.raises(ValueError, match="is not a Hub URI"):
        _ = SourceUri.parse("gs://bucket/key").repo


def test_a_branch_is_pinned_to_a_commit_and_a_pattern_to_a_file():
    source = SourceUri.parse("hf://acme/tiny@main/voices/*.pt")

    pinned = source.at(COMMIT, "voices/af_heart.pt")

    assert str(pinned) == f"hf://acme/tiny@{COMMIT}/voices/af_heart.pt"
    assert pinned.pinned
    assert str(source.at(COMMIT)) == f"hf://acme/tiny@{COMMIT}/voices/*.pt"


@given(
    revision=st.text(st.characters(categories=["L", "N", "P"], codec="utf-8"), min_size=1),
    path=st.text("abc/._-0", min_size=1),
)
def test_any_revision_survives_a_round_trip(revision, path):
    source = SourceUri.parse("hf://acme/tiny@main/x").at(revision, path)

    read = SourceUri.parse(str(source))

    assert (read.repo, read.revision, read.path) == ("acme/tiny", revision, path)
