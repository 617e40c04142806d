import re
from collections import defaultdict
from pathlib import Path

import pytest

from models import catalog
from models.catalog import MANIFESTS, UnknownModel, manifest_path
from weights.errors import ManifestOpen
from weights.manifest.manifest import load

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
    "wan2.1-i2v": {*WAN_2_1, "image processor config", "4-step LoRA"},
    "wan2.2-i2v": {*WAN, "high-noise expert", "low-noise expert", "4-step LoRA"},
    "wan2.2-ti2v-5b": {*WAN, "denoiser config", "denoiser"},
    "multitalk": {*TALKING, "audio layers", "denoiser", "tokenizer"},
    "infinitetalk": {*TALKING, "tokenizer"},
    "inspyrenet": set(),
    "faces": set(),
    "kokoro": SPEECH,
}
"""Roles that each profile of a model must have, whatever else it has."""

SPEAKING = {
    ("wav2lip", "gan-speech"),
    ("wav2lip", "plain-speech"),
    ("wav2lip", "gan-all-voices"),
    ("musetalk", "speech"),
    ("musetalk", "all-voices"),
}
"""Selections of lip-sync models that say a text, too. No other brings 340 MB for it."""

CLOSED = [
    ("wav2lip", "plain"),
    ("wav2lip", "plain-speech"),
    ("musetalk", "default"),
    ("musetalk", "speech"),
    ("musetalk", "upstream"),
    ("wan2.2-ti2v-5b", "gguf-q8_0"),
    ("inspyrenet", "both"),
    ("faces", "yunet"),
    ("faces", "s3fd"),
    ("kokoro", "default"),
]
"""Selections of which public material gives every fact: they must stay pullable."""


def chosen(name, profile):
    files = [file for file in READ[name].files if profile in file.profiles]
    return files, [entry for entry in READ[name].patterns if profile in entry.profiles]


def test_the_catalog_lists_every_manifest_of_the_package_by_its_own_name():
    lying_there = set(Path(catalog.__file__).parent.glob("*/weights.toml"))

    assert set(MANIFESTS.values()) == lying_there
    assert {name: read.model for name, read in READ.items()} == {name: name for name in READ}


def test_a_card_with_weights_has_the_manifest_of_the_catalog():
    with_weights = {name: card.weights for name, card in catalog.CARDS.items() if card.weights}

    assert with_weights == {name: MANIFESTS[name] for name in with_weights}


def test_an_unknown_manifest_says_which_are_known():
    with pytest.raises(UnknownModel, match=r"'wan3'; known: wav2lip, .*kokoro"):
        manifest_path("wan3")


@pytest.mark.parametrize(("name", "profile"), PROFILES)
def test_a_profile_has_all_that_a_runner_needs(name, profile):
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


def test_speech_comes_whole_below_its_folder_and_only_where_it_is_asked_for():
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

    assert found == dict.fromkeys(SPEAKING, SPEECH)


def test_the_default_profile_of_a_lip_sync_model_is_silent():
    assert not {(name, READ[name].default_profile) for name in READ} & SPEAKING


def test_the_same_content_is_told_the_same_way_everywhere():
    told = defaultdict(set)
    for read in READ.values():
        for file in read.files:
            told[file.id].add((file.size_bytes, str(file.source), file.license))

    assert [facts for facts in told.values() if len(facts) > 1] == []


def test_a_repository_is_pinned_to_one_commit():
    commits = defaultdict(set)
    for read in READ.values():
        for entry in (*read.files, *read.patterns):
            if entry.source.scheme == "hf" and entry.source.pinned:
                commits[entry.source.repo].add(entry.source.revision)

    assert {repo: found for repo, found in commits.items() if len(found) > 1} == {}


def test_terms_without_commerce_are_marked():
    marked = {file.path for read in READ.values() for file in read.files if not file.commercial}

    assert marked == {"wav2lip.pth", "wav2lip_gan.pth"}
    assert marked == {
        file.path
        for read in READ.values()
        for file in read.files
        if file.license.startswith("non-commercial")
    }


def test_the_page_on_weights_adds_up():
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


@pytest.mark.parametrize(("name", "profile"), CLOSED)
def test_a_selection_without_open_facts_can_be_pulled_strictly(name, profile):
    selection = READ[name].select(profile)

    assert selection.size_bytes == sum(file.size_bytes for file in selection.files)
    assert all(file.sha256 and file.source.pinned for file in selection.files)


@pytest.mark.parametrize(("name", "profile"), PROFILES)
def test_strict_refuses_open_facts_with_the_file_and_the_cure(name, profile):
    files, patterns = chosen(name, profile)
    open_facts = [file for file in files if file.unknown]
    if not (open_facts or patterns):
        assert READ[name].select(profile).files == tuple(files)
        return

    with pytest.raises(ManifestOpen, match=f"kinomill models lock {re.escape(name)}") as refused:
        READ[name].select(profile)

    assert patterns or all(file.path in str(refused.value) for file in open_facts)
