"""Any repository of the Hub: its quantizations, split files and projectors; hostile and odd listings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session

from app.core.errors import RepositoryMissing
from app.models.hub import Hub, RemoteFile
from app.models.repository import (
    RepositoryListing,
    group_models,
    list_repository,
    quantization_of,
    repository_name,
)
from tests.hub_server.server import HubServer, Repository

NAMES = [
    "m-Q4_K_M.gguf",
    "m-Q8_0.gguf",
    "UD-Q5_K_XL/m-UD-Q5_K_XL-00001-of-00002.gguf",
    "UD-Q5_K_XL/m-UD-Q5_K_XL-00002-of-00002.gguf",
    "mmproj-F32.gguf",
    "mmproj-BF16.gguf",
    "mmproj-F16.gguf",
    "m-imatrix.gguf",
    "broken-Q6_K-00001-of-00003.gguf",
    "README.md",
]


@pytest.fixture
def server() -> Iterator[HubServer]:
    with HubServer() as served:
        yield served
        close_session()


@pytest.fixture
def listing(server: HubServer) -> RepositoryListing:
    server.repositories["maker/m-GGUF"] = Repository({name: b"x" * (20 + n) for n, name in enumerate(NAMES)})
    return list_repository("maker/m-GGUF", hub=Hub(server.endpoint))


def test_models_are_grouped_and_what_is_no_model_is_left_out(listing: RepositoryListing) -> None:
    found = {model.quantization: [file.name for file in model.files] for model in listing.models}
    assert found == {"Q4_K_M": NAMES[:1], "Q8_0": NAMES[1:2], "UD-Q5_K_XL": NAMES[2:4]}
    assert [model.total_bytes for model in listing.models] == [20, 21, 22 + 23]
    assert [file.name for file in listing.projectors] == ["mmproj-F16.gguf", "mmproj-BF16.gguf", "mmproj-F32.gguf"]
    assert len(listing.revision) == 40, "the commit, so that two versions are never mixed"
    assert listing.folder(Path("models")) == Path("models/maker/m-GGUF")


def test_sizes_and_checksums_are_the_hub_s(listing: RepositoryListing) -> None:
    (file,) = listing.by_quantization("q4_k_m").files
    assert (file.size, file.sha256) == (20, hashlib.sha256(b"x" * 20).hexdigest())


def test_a_model_is_chosen_by_quantization_or_by_any_of_its_files(listing: RepositoryListing) -> None:
    assert listing.by_quantization("Q5_K_XL").quantization == "UD-Q5_K_XL"
    assert listing.by_file("m-UD-Q5_K_XL-00002-of-00002.gguf").quantization == "UD-Q5_K_XL"
    assert listing.by_file(NAMES[2]).quantization == "UD-Q5_K_XL"
    with pytest.raises(RepositoryMissing, match=r"no model in Q2_K\. It offers: Q4_K_M, Q8_0, UD-Q5_K_XL"):
        listing.by_quantization("Q2_K")
    with pytest.raises(RepositoryMissing, match=r"called mmproj-F16\.gguf"):
        listing.by_file("mmproj-F16.gguf")


def test_a_repository_without_gguf_says_what_to_look_for(server: HubServer) -> None:
    server.repositories["maker/m"] = Repository({"model.safetensors": b"x"})
    with pytest.raises(RepositoryMissing, match="ends in GGUF"):
        list_repository("maker/m", hub=Hub(server.endpoint))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Model-7B-Instruct-Q4_K_M.gguf", "Q4_K_M"),
        ("model.q5_1.gguf", "Q5_1"),
        ("Model-IQ3_XXS.gguf", "IQ3_XXS"),
        ("Model-UD-IQ1_S.gguf", "UD-IQ1_S"),
        ("Model-BF16-00001-of-00009.gguf", "BF16"),
        ("Q4_K_M/model-00001-of-00002.gguf", "Q4_K_M"),
        ("Model-Q4_0_4_4.gguf", "Q4_0_4_4"),
        ("Model-MXFP4_MOE.gguf", "MXFP4_MOE"),
        ("Qwen3-model.gguf", ""),
        ("F16-fighter.gguf", "F16"),
    ],
)
def test_the_quantization_a_name_tells(name: str, expected: str) -> None:
    assert quantization_of(name) == expected


@pytest.mark.parametrize(
    "text",
    ["maker/m-GGUF", "  maker/m-GGUF ", "https://hub.example/maker/m-GGUF/tree/main?x=1#y", "hub.example/maker/m-GGUF"],
)
def test_a_repository_may_be_pasted_as_an_address(text: str) -> None:
    assert repository_name(text) == "maker/m-GGUF"


@pytest.mark.parametrize(
    "text", ["", "maker", "maker/", "../..", "maker/..", "a b/c", "CON/x", "maker/x:y", "/etc/passwd x"]
)
def test_what_is_no_repository_is_refused_before_anything_is_asked(text: str) -> None:
    with pytest.raises(RepositoryMissing, match="owner/name"):
        repository_name(text)


def test_absurd_part_numbers_are_no_model() -> None:
    files = [RemoteFile("a/b", "main", f"m-0000{n}-of-99999.gguf", 1, "0" * 64) for n in range(1, 5)]
    files += [RemoteFile("a/b", "main", "n-00000-of-00000.gguf", 1, "0" * 64)]
    assert group_models(files) == ()
