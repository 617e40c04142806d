import re
from collections import defaultdict
from hashlib import sha256
from pathlib import Path

import pytest

from models import catalog
from models.catalog import MANIFESTS, UnknownModel, manifest_path
from weights.errors import ManifestIncomplete
from weights.manifest.manifest import load
from weights.trust import Trust

READ = {name: load(path) for name, path in MANIFESTS.items()}
PROFILES = [(name, profile) for name, read in READ.items() for profile in read.profiles]

WAN = {
    "pipeline index",
    "scheduler config",
    "tokenizer",
    "text encoder config",
    "text encoder",
    "VAE config",
    "VAE",
}
WAN_2_1 = {*WAN, "denoiser config", "denoiser", "image encoder config", "image encoder"}
SPEECH = {"speech model", "speech model config", "voice", "English words"}
TALKING = {"speech encoder", "speech encoder config", "text encoder", "VAE", "image encoder"}
NEEDED = {
    "wav2lip": {"face detector"},
    "musetalk": {"UNet", "UNet config", "VAE", "VAE config", "audio encoder", "landmarks"},
    "latentsync-1.5": {"UNet", "VAE", "VAE config", "audio encoder", "face detector"},
    "latentsync-1.6": {"UNet", "VAE", "VAE config", "audio encoder", "face detector"},
    "wan2.1-i2v": {*WAN_2_1, "image processor config", "4-step LoRA"},
    "wan2.2-i2v": {*WAN, "high-noise expert", "low-noise expert", "4-step LoRA"},
    "wan2.2-ti2v-5b": {*WAN, "denoiser config", "denoiser"},
    "multitalk": {*TALKING, "audio layers", "denoiser", "denoiser config", "tokenizer"},
    "infinitetalk": {*TALKING, "audio layers", "denoiser", "denoiser config", "tokenizer"},
    "inspyrenet": set(),
    "inspyrenet-video": set(),
    "faces": set(),
    "kokoro": SPEECH,
}
"""Roles that each profile of a model must have; it may have others."""

WITH_SPEECH = {
    ("wav2lip", "gan-speech"),
    ("wav2lip", "plain-speech"),
    ("wav2lip", "gan-all-voices"),
    ("musetalk", "speech"),
    ("musetalk", "all-voices"),
    ("latentsync-1.5", "speech"),
    ("latentsync-1.5", "all-voices"),
    ("latentsync-1.6", "speech"),
    ("latentsync-1.6", "all-voices"),
}
"""Profiles of lip-sync models with speech synthesis. No other profile carries its 340 MB."""

HUB_DEFAULTS = {"multitalk", "infinitetalk"}
"""Models whose weights have no public digest: the Hub's own are recorded at the first pull."""
WITHOUT_COMMIT = {
    "camenduru/Wav2Lip",
    "Nekochu/Wav2Lip",
    "numz/wav2lip_studio",
    "city96/Wan2.1-I2V-14B-480P-gguf",
    "vrgamedevgirl84/Wan14BT2VFusioniX",
}
"""Repositories of which no commit is public: the digest, or `models lock`, is what counts."""


def chosen(name, profile):
    files = [file for file in READ[name].files if profile in file.profiles]
    return files, [entry for entry in READ[name].patterns if profile in entry.profiles]


def test_the_name_of_a_manifest_is_the_model_that_it_declares():
    assert {name: read.model for name, read in READ.items()} == {name: name for name in READ}


def test_a_card_with_weights_has_the_manifest_of_the_catalog():
    with_weights = {name: card.weights for name, card in catalog.CARDS.items() if card.weights}

    assert with_weights == {name: MANIFESTS[name] for name in with_weights}


def test_the_error_for_an_unknown_manifest_lists_the_known_ones():
    with pytest.raises(UnknownModel, match=r"'wan3'; known: latentsync-1.5, .*kokoro"):
        manifest_path("wan3")


@pytest.mark.parametrize(("name", "profile"), PROFILES)
def test_a_profile_has_every_required_role(name, profile):
    files, patterns = chosen(name, profile)

    roles = {entry.role for entry in (*files, *patterns)}

    assert roles >= NEEDED[name]
    assert roles


@pytest.mark.parametrize(("name", "profile"), PROFILES)
def test_no_shard_of_a_set_is_missing(name, profile):
    files, _ = chosen(name, profile)
    sets = defaultdict(set)
    for file in files:
        if shard := re.fullmatch(r"(.*)-(\d+)-of-(\d+)\.safetensors", file.path):
            sets[shard[1], int(shard[3])].add(int(shard[2]))

    assert all(numbers == set(range(1, total + 1)) for (_, total), numbers in sets.items())
    assert all(f"{stem}.safetensors.index.json" in {f.path for f in files} for stem, _ in sets)


@pytest.mark.parametrize("name", ["multitalk", "infinitetalk"])
@pytest.mark.parametrize(
    ("ending", "roles"), [("-tts", SPEECH), ("-4step", {"4-step LoRA"})], ids=["tts", "4step"]
)
def test_talking_pictures_have_profiles_for_texts_and_for_fast_ones(name, ending, roles):
    profiles = [profile for profile in READ[name].profiles if profile.endswith(ending)]

    assert profiles
    for profile in profiles:
        assert roles <= {file.role for file in chosen(name, profile)[0]}


def test_only_profiles_with_speech_contain_the_complete_kokoro_files():
    found = {}
    for name, profile in PROFILES:
        files, patterns = chosen(name, profile)
        below = {file.path.removeprefix("speech/"): file for file in files}
        below = {path: file for path, file in below.items() if path != file.path}
        if below:
            found[name, profile] = {file.role for file in below.values()}
            kokoro, voices = chosen("kokoro", "all-voices")
            assert {path: file.id for path, file in below.items()} == {f.path: f.id for f in kokoro}
            assert [entry.source for entry in patterns] in ([], [e.source for e in voices])
            assert all(entry.into == "speech" for entry in patterns)

    assert found == dict.fromkeys(WITH_SPEECH, SPEECH)


def test_the_default_profile_of_a_lip_sync_model_has_no_speech():
    assert not {(name, READ[name].default_profile) for name in READ} & WITH_SPEECH


def test_entries_with_one_digest_have_the_same_size_source_and_license():
    found = defaultdict(set)
    for read in READ.values():
        for file in read.files:
            found[file.id].add((file.size_bytes, str(file.source), file.license))

    assert [entries for entries in found.values() if len(entries) > 1] == []


def test_a_repository_is_pinned_to_one_commit():
    commits = defaultdict(set)
    for read in READ.values():
        for entry in (*read.files, *read.patterns):
            if entry.source.scheme == "hf" and entry.source.pinned:
                commits[entry.source.repo].add(entry.source.revision)

    assert {repo: found for repo, found in commits.items() if len(found) > 1} == {}


def test_files_with_a_non_commercial_license_are_marked():
    marked = {file.path for read in READ.values() for file in read.files if file.commercial == "no"}

    assert marked == {"wav2lip.pth", "wav2lip_gan.pth"}
    assert marked == {
        file.path
        for read in READ.values()
        for file in read.files
        if file.license.startswith("non-commercial")
    }


def test_files_with_use_restrictions_are_marked():
    marked = {
        (name, file.path)
        for name, read in READ.items()
        for file in read.files
        if file.commercial == "conditional"
    }

    unet = "unet/latentsync_unet.pt"
    assert marked == {("latentsync-1.5", unet), ("latentsync-1.6", unet)}
    assert all(catalog.get(name).license.restrictions for name, _ in marked)


def test_the_table_of_weights_in_the_docs_has_the_right_totals():
    page = (Path(catalog.__file__).parents[1] / "docs" / "weights.md").read_text()
    rows = re.findall(
        r"^\| `([^`]+)` \| \**`([^`]+)`\** \| (\d+)[^|]*\| ([\d,]+)", page, re.MULTILINE
    )
    shown = {
        (name, profile): (int(count), int(size.replace(",", "")))
        for name, profile, count, size in rows
    }

    assert shown == {
        (name, profile): (len(files), sum(file.size_bytes or 0 for file in files))
        for name, profile in PROFILES
        for files, _ in [chosen(name, profile)]
    }


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("background-removal", "inspyrenet"),
        ("background-removal", "inspyrenet-video"),
        ("talking-pictures", "multitalk"),
        ("talking-pictures", "infinitetalk"),
    ],
)
def test_the_page_of_a_model_names_exactly_its_profiles(page, name):
    text = (Path(catalog.__file__).parents[1] / "docs" / f"{page}.md").read_text()
    table = text.split("## Weights")[1].split("\n\n")[1]
    rows = [row for row in table.splitlines() if page != "talking-pictures" or f"`{name}`" in row]
    column = 2 if page == "talking-pictures" else 1
    found = [found for row in rows for found in re.findall(r"`([^`]+)`", row.split("|")[column])]

    assert sorted(found) == sorted(READ[name].profiles)


@pytest.mark.parametrize("name", READ)
def test_a_default_profile_can_be_pulled_as_it_is(name):
    selection = READ[name].select()

    selection.require(Trust.HUB if name in HUB_DEFAULTS else Trust.PINNED)
    if name not in HUB_DEFAULTS:
        assert all(file.size_bytes for file in selection.files)


def test_a_source_on_the_hub_is_at_a_commit_where_one_is_public():
    moving = {
        uri.repo
        for read in READ.values()
        for file in read.files
        for uri in (file.source, *file.mirrors)
        if uri.scheme == "hf" and not uri.pinned
    }

    assert moving == WITHOUT_COMMIT


@pytest.mark.parametrize(("name", "profile"), PROFILES)
def test_a_profile_that_cannot_be_pulled_says_which_files_and_what_to_do(name, profile):
    selection = READ[name].select(profile)
    incomplete = [file for file in selection.files if file.trust is Trust.UNVERIFIED]
    if not (incomplete or selection.patterns):
        selection.require(Trust.HUB)
        return

    with pytest.raises(ManifestIncomplete) as refused:
        selection.require(Trust.HUB)

    assert "kinomill models lock" in str(refused.value) or "sha256" in str(refused.value)
    assert all(file.path in str(refused.value) for file in incomplete)


def test_a_file_of_the_project_has_the_size_and_digest_of_its_manifest():
    files = {f.id: f for read in READ.values() for f in read.files if f.source.scheme == "package"}

    assert {f.path for f in files.values()} >= {"model_index.json", "image_encoder/config.json"}
    for file in files.values():
        path = Path(catalog.__file__).parent / str(file.source).removeprefix("package://models/")
        content = path.read_bytes()
        assert (len(content), sha256(content).hexdigest()) == (file.size_bytes, file.sha256)
