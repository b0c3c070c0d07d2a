"""What the Hub lists is checked, and what goes wrong there is told in sentences."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from huggingface_hub import close_session, constants

from app.core.errors import AccessDenied, AppError, DownloadInterrupted, NoNetwork, RepositoryMissing
from app.models.hub import Hub, is_safe_name, same_origin
from app.models.hub_errors import retry_after_s
from tests.hub_server.bench import REPOSITORY, content_of
from tests.hub_server.faults import Fault, Kind, Where
from tests.hub_server.server import HubServer, Repository

FILES = {
    "Q4/model-00001-of-00002.gguf": content_of(10),
    "mmproj-F16.gguf": content_of(20),
    "README.md": b"hi",
}


@pytest.fixture
def server() -> Iterator[HubServer]:
    with HubServer() as served:
        served.repositories[REPOSITORY] = Repository(dict(FILES), plain=frozenset({"README.md"}))
        yield served
        close_session()


def test_files_with_a_checksum_are_listed_with_exact_sizes(server: HubServer) -> None:
    listed = Hub(server.endpoint).list_files(REPOSITORY)
    assert {file.name: file.size for file in listed} == {
        "Q4/model-00001-of-00002.gguf": 10,
        "mmproj-F16.gguf": 20,
    }
    assert {file.revision for file in listed} == {server.repositories[REPOSITORY].commit}
    assert listed[0].local_name == "model-00001-of-00002.gguf"
    assert all(len(file.sha256) == 64 for file in listed)


HOSTILE = [
    "../model.gguf",
    "a/../../model.gguf",
    "/etc/model.gguf",
    "C:/model.gguf",
    "C:model.gguf",
    "a\\model.gguf",
    "model.gguf\x00.txt",
    "line\nbreak.gguf",
    "con.gguf",
    "a/AUX/model.gguf",
    "com1.gguf",
    "LPT¹.gguf",
    "trailing./model.gguf",
    "model.gguf ",
    "a//model.gguf",
    "./model.gguf",
    "",
    "stream.gguf:hidden",
    "wild*.gguf",
    "fugg.\u202eledom.gguf",
    "\ud800.gguf",
    "x" * 250 + ".gguf",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_left_out(server: HubServer, name: str) -> None:
    assert not is_safe_name(name)
    server.repositories[REPOSITORY].files[name] = content_of(30)
    assert len(Hub(server.endpoint).list_files(REPOSITORY)) == 2


@pytest.mark.parametrize("name", ["model.gguf", "a b/ü-名前.gguf", "console.gguf", "com10.gguf", ".hidden.gguf"])
def test_harmless_names_are_kept(name: str) -> None:
    assert is_safe_name(name)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, AccessDenied, "hf auth login"),
        (403, AccessDenied, "hf auth login"),
        (404, RepositoryMissing, "no longer there"),
        (429, DownloadInterrupted, "Try again in 42 seconds"),
        (500, NoNetwork, "in a few minutes"),
        (503, NoNetwork, "in a few minutes"),
    ],
)
def test_refusals_become_sentences(server: HubServer, status: int, kind: type[AppError], words: str) -> None:
    server.script.add(Fault(Kind.STATUS, Where.API, status=status, retry_after=42))
    with pytest.raises(kind, match=words):
        Hub(server.endpoint).list_files(REPOSITORY)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "42"}, 42),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30),
        ({"Retry-After": "Wed, 21 Oct 2026 07:27:00 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0),
        ({"RateLimit": '"resolvers";r=0;t=55', "Retry-After": "1"}, 55),
        ({"Retry-After": "soon"}, 0),
        ({}, 0),
    ],
)
def test_how_long_a_server_asks_to_wait(headers: dict[str, str], seconds: float) -> None:
    assert retry_after_s(httpx2.Headers(headers)) == seconds


def test_a_repository_that_is_not_there(server: HubServer) -> None:
    with pytest.raises(RepositoryMissing, match="does not exist"):
        Hub(server.endpoint).list_files("nobody/nothing")


def test_a_name_that_is_no_repository(server: HubServer) -> None:
    with pytest.raises(RepositoryMissing, match="not the name"):
        Hub(server.endpoint).list_files("../..//etc")


def test_a_gated_repository_needs_a_login(server: HubServer) -> None:
    server.repositories[REPOSITORY].token, server.repositories[REPOSITORY].gated = "hf_right", True
    with pytest.raises(AccessDenied, match="accept its licence"):
        Hub(server.endpoint).list_files(REPOSITORY)
    with pytest.raises(AccessDenied):
        Hub(server.endpoint, token="hf_wrong").list_files(REPOSITORY)
    assert len(Hub(server.endpoint, token="hf_right").list_files(REPOSITORY)) == 2


@pytest.mark.parametrize("kind", [Kind.NONSENSE, Kind.CUT, Kind.LOOP])
def test_a_server_that_is_not_the_hub(server: HubServer, kind: Kind) -> None:
    server.script.add(Fault(kind, Where.API, times=-1))
    with pytest.raises((NoNetwork, DownloadInterrupted)):
        Hub(server.endpoint).list_files(REPOSITORY)


def test_no_network(server: HubServer) -> None:
    server.close()
    with pytest.raises(NoNetwork, match="can't be reached"):
        Hub(server.endpoint).list_files(REPOSITORY)


def test_an_endpoint_that_is_no_address() -> None:
    with pytest.raises(NoNetwork, match="HF_ENDPOINT"):
        Hub("gopher://hub").list_files(REPOSITORY)


def test_offline_mode(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(NoNetwork, match="HF_HUB_OFFLINE"):
        Hub(server.endpoint).list_files(REPOSITORY)
    assert server.requests == []


def test_only_the_questions_needed_are_asked(server: HubServer) -> None:
    Hub(server.endpoint).list_files(REPOSITORY)
    assert [request.path.split("?")[0] for request in server.requests] == [f"/api/models/{REPOSITORY}/revision/main"]


def test_a_file_that_is_no_longer_listed(server: HubServer) -> None:
    with pytest.raises(RepositoryMissing, match="no longer holds"):
        Hub(server.endpoint).find_file(REPOSITORY, "main", "gone.gguf")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("https://hub.example/x", True),
        ("https://hub.example:443/x", True),
        ("http://hub.example/x", False),
        ("https://hub.example:8443/x", False),
        ("https://cdn.hub.example/x", False),
    ],
)
def test_a_token_goes_to_the_same_origin_only(other: str, same: bool) -> None:
    assert same_origin(other, "https://hub.example") is same
