"""What holds for every test: a home of its own, no window on the screen, no unexpected warning in the log."""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.models_made.cache import made

_MODEL_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "solo-tests"
_HOMES = {
    "HOME": "",
    "USERPROFILE": "",
    "APPDATA": "roaming",
    "LOCALAPPDATA": "local",
    "XDG_CACHE_HOME": "cache",
    "XDG_CONFIG_HOME": "config",
    "XDG_DATA_HOME": "data",
    "XDG_STATE_HOME": "state",
}
_HUB_VARIABLES = re.compile("HF_|HUGGING_FACE_|HUGGINGFACE_")

_environment = pytest.StashKey[dict[str, str]]()
_home = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--onscreen", action="store_true", help="show windows instead of drawing them off screen")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the person's folders, accounts and screen out of reach before anything is imported."""
    config.stash[_environment] = dict(os.environ)
    home = config.stash[_home] = Path(tempfile.mkdtemp(prefix="solo-home-"))
    for name, folder in _HOMES.items():
        (home / folder).mkdir(exist_ok=True)
        os.environ[name] = str(home / folder)
    for name in [name for name in os.environ if _HUB_VARIABLES.match(name)]:
        del os.environ[name]
    if not config.getoption("--onscreen"):
        os.environ["QT_QPA_PLATFORM"] = "offscreen"


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[_home], ignore_errors=True)
    os.environ.clear()
    os.environ.update(config.stash[_environment])


class ExpectedWarnings:
    """Hold the patterns of log warnings that a test causes on purpose."""

    def __init__(self) -> None:
        self.required: list[str] = []
        self.allowed: list[str] = []

    def __call__(self, pattern: str) -> None:
        """Expect at least one record of level WARNING or above whose logger and message match `pattern`."""
        self.required.append(pattern)

    def allow(self, pattern: str) -> None:
        """Let records come that match `pattern`, for tests that draw what happens at random."""
        self.allowed.append(pattern)

    def check(self, messages: list[str]) -> None:
        """Fail if a message was not expected, or an expected one did not come."""
        known = self.required + self.allowed
        unexpected = [text for text in messages if not any(re.search(p, text) for p in known)]
        missing = [p for p in self.required if not any(re.search(p, text) for text in messages)]
        assert not unexpected, f"unexpected warnings in the log: {unexpected}"
        assert not missing, f"no warning in the log matches: {missing}"


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(f"{record.name}: {record.getMessage()}")


@pytest.fixture
def expected_warnings() -> ExpectedWarnings:
    """Call it with a pattern to expect a warning in the log."""
    return ExpectedWarnings()


@pytest.fixture(autouse=True)
def _no_unexpected_warnings(expected_warnings: ExpectedWarnings) -> Iterator[None]:
    collector = _Collector()
    logging.getLogger().addHandler(collector)
    yield
    logging.getLogger().removeHandler(collector)
    expected_warnings.check(collector.messages)


@pytest.fixture(scope="session")
def small_model() -> Path:
    """A random `mistral4` model in Q4_K_M with fused gate and up experts and temperature keys."""
    return made(_MODEL_CACHE, "small")[0]


@pytest.fixture(scope="session")
def unfused_model() -> Path:
    """The same sizes with gate and up experts apart and without temperature keys."""
    return made(_MODEL_CACHE, "small", "--unfused", "--no-temperature-keys")[0]


@pytest.fixture(scope="session")
def thinking_model() -> Path:
    """A scripted `mistral4` model that reasons when the effort is high and then always says the same."""
    return made(_MODEL_CACHE, "small", "--thinks")[0]


@pytest.fixture(scope="session")
def projector() -> Path:
    """A random Pixtral projector for the `mistral4` models."""
    return made(_MODEL_CACHE, "projector")[0]


@pytest.fixture(scope="session")
def header_119b() -> Path:
    """The header of the 119B model, with its whole vocabulary, over a hole of 67 GiB."""
    return made(_MODEL_CACHE, "header")[0]


@pytest.fixture(scope="session")
def chatml_model() -> Path:
    """A random `qwen2` model with a ChatML template of its own."""
    return made(_MODEL_CACHE, "chatml")[0]


@pytest.fixture(scope="session")
def split_model() -> Path:
    """The first of the two parts of the small model."""
    return made(_MODEL_CACHE, "split")[0]
