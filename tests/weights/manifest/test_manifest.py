import tomllib
from hashlib import sha256

import pytest

from weights.errors import ManifestIncomplete, ManifestInvalid
from weights.manifest.manifest import load
from weights.trust import Trust

COMMIT = "0123456789abcdef0123456789abcdef01234567"
DIGEST = sha256(b"weights").hexdigest()
FILE = {
    "path": "unet/model.safetensors",
    "role": "UNet",
    "source": f"hf://acme/tiny@{COMMIT}/model.safetensors",
    "bytes": 7,
    "sha256": DIGEST,
    "license": "MIT",
}
PATTERN = {"source": "hf://acme/tiny@main/*.json", "role": "config", "license": "MIT"}
HEAD = {"schema": 1, "model": "tiny"}


def toml(head, files=(), patterns=()):
    def lines(table):
        return "\n".join(f"{key} = {value!r}" for key, value in table.items() if value is not None)

    blocks = [lines(head)]
    blocks += [f"[[files]]\n{lines(table)}" for table in files]
    blocks += [f"[[patterns]]\n{lines(table)}" for table in patterns]
    return "\n".join(blocks).replace("(", "[").replace(",)", "]").replace(")", "]")


@pytest.fixture
def read(tmp_path):
    def read(*files, patterns=(), **head):
        path = tmp_path / "weights.toml"
        path.write_text(toml(HEAD | head, files, patterns))
        return load(path)

    return read


def test_a_file_is_read_with_all_its_fields(read):
    file = read(FILE | {"mirrors": ("https://example.com/a", "gs://bucket/a")}).files[0]

    assert (file.path, file.size_bytes, file.id) == ("unet/model.safetensors", 7, DIGEST)
    assert [str(mirror) for mirror in file.mirrors] == ["https://example.com/a", "gs://bucket/a"]
    assert file.profiles == ("default",)
    assert file.unknown_fields == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": None}, "files.0.path: Field required"),
        ({"path": "/etc/passwd"}, "files.0.path: Value error, must be a relative path"),
        ({"path": "unet/../../x"}, "files.0.path: Value error, must be a relative path"),
        ({"path": "unet\\x"}, "files.0.path: Value error, must be a relative path"),
        ({"path": ""}, "files.0.path: Value error, must be a relative path"),
        ({"path": "."}, "files.0.path: Value error, must be a relative path"),
        ({"path": ".."}, "files.0.path: Value error, must be a relative path"),
        ({"path": "unet/a\x01"}, "files.0.path: Value error, must be a relative path"),
        ({"path": "a" * 256}, "files.0.path: Value error, must be a relative path"),
        ({"path": "a/" * 600}, "files.0.path: Value error, must be a relative path"),
        ({"role": None}, "files.0.role: Field required"),
        ({"source": None}, "files.0.source: Field required"),
        ({"source": "acme/tiny/x"}, "files.0.source: Value error, a source must be hf://"),
        ({"source": "hf://acme/tiny/x"}, "files.0.source: Value error, a Hub URI must be"),
        ({"source": "ftp://acme/x"}, "files.0.source: Value error, a source must be"),
        (
            {"source": "hf://acme/tiny@main/../../x"},
            "files.0.source: Value error, must not contain",
        ),
        ({"mirrors": ("https://a/%2e%2e/x",)}, "files.0.mirrors.0: Value error, must not contain"),
        ({"mirrors": ("nowhere",)}, "files.0.mirrors.0: Value error, a source must be"),
        ({"bytes": None}, "files.0.bytes: Field required"),
        ({"bytes": 0}, "files.0.bytes: Input should be greater than 0"),
        ({"bytes": -1}, "files.0.bytes: Input should be greater than 0"),
        ({"bytes": "7"}, "files.0.bytes: Input should be a valid integer"),
        ({"bytes": 7.0}, "files.0.bytes: Input should be a valid integer"),
        ({"sha256": None}, "files.0.sha256: Field required"),
        ({"sha256": "abc"}, "files.0.sha256: String should match pattern"),
        ({"sha256": DIGEST.upper()}, "files.0.sha256: String should match pattern"),
        ({"sha256": 7}, "files.0.sha256: Input should be a valid string"),
        ({"license": None}, "files.0.license: Field required"),
        ({"commercial": "perhaps"}, "files.0.commercial: Input should be 'yes', 'conditional' or"),
        ({"profiles": "bf16"}, "files.0.profiles: Input should be a valid tuple"),
        ({"md5": "x"}, "files.0.md5: Extra inputs are not permitted"),
    ],
)
def test_an_error_in_a_file_names_the_manifest_and_the_field(read, tmp_path, change, message):
    with pytest.raises(ManifestInvalid) as invalid:
        read(FILE | change)

    assert str(invalid.value).startswith(f"{tmp_path / 'weights.toml'}: {message}")


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ({"schema": 2}, "schema: Input should be 1"),
        ({"schema": None}, "schema: Field required"),
        ({"model": "Tiny Model"}, "model: String should match pattern"),
        ({"model": "../tiny"}, "model: String should match pattern"),
        ({"default_profile": "bf16"}, "no file belongs to the default profile 'bf16'"),
        ({"model": ".."}, "model: String should match pattern"),
        ({"model": "a" * 65}, "model: String should have at most 64"),
        ({"default_profile": "../x"}, "default_profile: String should match pattern"),
        ({"revision": "x"}, "revision: Extra inputs are not permitted"),
    ],
)
def test_an_error_in_the_head_names_the_field(read, head, message):
    with pytest.raises(ManifestInvalid, match=message):
        read(FILE, **head)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": "weights"}, r"patterns\.0\.source: Value error, a source must be"),
        ({"role": None}, r"patterns\.0\.role: Field required"),
        ({"bytes": 7}, r"patterns\.0\.bytes: Extra inputs are not permitted"),
    ],
)
def test_an_error_in_a_pattern_names_the_field(read, change, message):
    with pytest.raises(ManifestInvalid, match=message):
        read(FILE, patterns=[PATTERN | change])


def test_a_path_may_occur_once_in_a_profile(read):
    with pytest.raises(ManifestInvalid, match=r"profile 'default' lists 'unet/model\.safetensors'"):
        read(FILE, FILE)

    assert len(read(FILE, FILE | {"profiles": ("fp16",)}).files) == 2


@pytest.mark.parametrize(
    ("text", "message"), [(b"schema = ", "Invalid value"), (b"\xff", "can't decode")]
)
def test_a_file_that_is_not_toml_is_reported(tmp_path, text, message):
    path = tmp_path / "weights.toml"
    path.write_bytes(text)

    with pytest.raises(ManifestInvalid, match=message) as invalid:
        load(path)

    assert str(path) in str(invalid.value)


def test_a_missing_manifest_is_reported(tmp_path):
    with pytest.raises(ManifestInvalid, match=r"absent\.toml: No such file"):
        load(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("change", "unknown"),
    [
        ({"bytes": "unknown"}, ["bytes"]),
        ({"sha256": "unknown"}, ["sha256"]),
        ({"source": "hf://acme/tiny@main/x"}, ["revision"]),
        ({"source": "hf://acme/tiny@v1.0/x"}, ["revision"]),
        ({"source": "https://example.com/x"}, []),
        ({"source": "gs://bucket/x", "bytes": "unknown", "sha256": "unknown"}, ["bytes", "sha256"]),
    ],
)
def test_unknown_fields_are_named(read, change, unknown):
    manifest = read(FILE | change)

    assert manifest.files[0].unknown_fields == unknown
    assert manifest.select().files == manifest.files


UNKNOWN = {"bytes": "unknown", "sha256": "unknown"}
BRANCH = {"source": "hf://acme/tiny@main/x"}


@pytest.mark.parametrize(
    ("change", "trust"),
    [
        ({}, Trust.PINNED),
        ({"bytes": "unknown"}, Trust.PINNED),
        (BRANCH, Trust.PINNED),
        (UNKNOWN, Trust.HUB),
        (UNKNOWN | BRANCH, Trust.UNVERIFIED),
        (UNKNOWN | {"source": "https://example.com/x"}, Trust.UNVERIFIED),
        (UNKNOWN | {"source": "gs://bucket/x"}, Trust.UNVERIFIED),
    ],
)
def test_the_trust_of_a_file_is_where_its_digest_comes_from(read, change, trust):
    selection = read(FILE | change).select()

    assert selection.trust is trust
    for level in Trust:
        if trust.satisfies(level):
            selection.require(level)
        else:
            with pytest.raises(ManifestIncomplete, match=r"unet/model\.safetensors"):
                selection.require(level)


@pytest.mark.parametrize(
    ("change", "level", "remedy"),
    [
        (UNKNOWN, Trust.PINNED, "use a pinned profile"),
        (UNKNOWN, Trust.PINNED, "KINOMILL_WEIGHTS_TRUST=hub"),
        (UNKNOWN | BRANCH, Trust.HUB, "`kinomill models lock tiny`"),
        (UNKNOWN | {"source": "https://example.com/x"}, Trust.HUB, "write the sha256"),
    ],
)
def test_a_refusal_says_what_to_do(read, change, level, remedy):
    with pytest.raises(ManifestIncomplete, match=remedy):
        read(FILE | change).select().require(level)


def test_a_selection_has_the_files_of_one_profile(read):
    both = FILE | {"profiles": ("bf16", "fp16")}
    half = FILE | {"path": "half.safetensors", "sha256": "a" * 64, "profiles": ("fp16",)}

    manifest = read(both, half, default_profile="bf16")

    assert manifest.profiles == ("bf16", "fp16")
    assert [file.path for file in manifest.select().files] == ["unet/model.safetensors"]
    assert manifest.select("fp16").size_bytes == 14
    assert manifest.select("fp16").revision != manifest.select("bf16").revision


def test_the_error_of_an_unknown_profile_lists_the_profiles(read):
    with pytest.raises(ManifestInvalid, match="tiny has no profile 'int8'; profiles: default"):
        read(FILE).select("int8")


def test_the_files_of_a_pattern_must_be_named_before_its_profile_can_be_pulled(read):
    manifest = read(FILE, patterns=[PATTERN | {"profiles": ("all",)}])

    manifest.select().require(Trust.HUB)
    for level in Trust:
        with pytest.raises(ManifestIncomplete, match=r"The names .*models lock tiny"):
            manifest.select("all").require(level)


def test_the_revision_changes_with_the_content(read):
    first = read(FILE).select().revision

    assert first == read(FILE | {"note": "moved", "role": "x"}).select().revision
    assert first != read(FILE | {"sha256": "b" * 64}).select().revision
    assert first != read(FILE | {"path": "elsewhere"}).select().revision


def test_a_file_without_a_digest_is_identified_by_its_source(read):
    unknown = FILE | {"sha256": "unknown"}

    here, there = (
        read(unknown | {"source": f"https://example.com/{name}"}).files[0].id for name in "ab"
    )

    assert here.startswith("o-")
    assert here != there


def test_the_toml_helper_of_these_tests_writes_valid_toml():
    written = tomllib.loads(toml(HEAD, [FILE | {"profiles": ("a", "b")}], [PATTERN]))

    assert written["files"][0]["profiles"] == ["a", "b"]
    assert written["patterns"] == [PATTERN]


@pytest.mark.parametrize(
    "profile", ["../../x", "..", ".", "", "/etc", "a/b", "a\\b", "a..b", "a@b", ".hidden", "a b"]
)
def test_the_name_of_a_profile_cannot_lead_out_of_the_folder(read, profile):
    for head, file in (
        ({"default_profile": profile}, FILE | {"profiles": (profile,)}),
        ({}, FILE | {"profiles": ("default", profile)}),
    ):
        with pytest.raises(ManifestInvalid, match="String should"):
            read(file, **head)


@pytest.mark.parametrize("into", ["../x", "/etc", "a/../../b", "a\\b"])
def test_a_pattern_cannot_lead_out_of_the_folder(read, into):
    with pytest.raises(
        ManifestInvalid, match=r"patterns\.0\.into: Value error, must be a relative"
    ):
        read(FILE, patterns=(PATTERN | {"into": into},))


def test_a_file_cannot_be_a_folder_of_another(read):
    with pytest.raises(ManifestInvalid, match="lists 'unet' and a file below it"):
        read(FILE | {"path": "unet"}, FILE | {"path": "unet/config/model.json"})
