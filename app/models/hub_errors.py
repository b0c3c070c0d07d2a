"""What may be tried again, how long a server asks to wait, and the sentence for each way a question fails."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx2
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]  # public, without __all__

from app.core.errors import AccessDenied, AppError, DownloadInterrupted, NoNetwork, RepositoryMissing


def is_temporary(error: Exception) -> bool:
    """Tell whether an answer of the server may be different in a moment."""
    if isinstance(error, httpx2.TooManyRedirects):
        return False
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in {408, 429} or error.response.status_code >= 500
    return isinstance(error, (httpx2.TransportError, TimeoutError)) and not isinstance(
        error, (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)
    )


def retry_after_s(headers: httpx2.Headers) -> float:
    """Return how long the server asks to wait, in seconds; 0 where it does not say."""
    limit = parse_ratelimit_headers(headers)
    if limit is not None and limit.remaining == 0:
        return float(limit.reset_in_seconds)
    value = headers.get("retry-after", "").strip()
    return float(value) if value.isdecimal() else _until(value, headers.get("date", ""))


def _until(date: str, server_now: str) -> float:
    """Return the seconds up to an HTTP date by the server's own clock, 0 where it is none."""
    try:
        now = parsedate_to_datetime(server_now) if server_now else datetime.now(UTC)
        return max(0.0, (parsedate_to_datetime(date) - now).total_seconds())
    except (ValueError, TypeError):  # no date, or one without a time zone
        return 0.0


def sentence_for(error: Exception, repository: str, endpoint: str) -> AppError:
    """Return what to tell the person about a failed question to the Hub."""
    host = urlsplit(endpoint).hostname or endpoint
    if isinstance(error, OfflineModeIsEnabled):
        return NoNetwork(
            "Nothing can be downloaded in offline mode. Remove HF_HUB_OFFLINE from the environment and start again."
        )
    if isinstance(error, (GatedRepoError, RepositoryNotFoundError, DisabledRepoError, RevisionNotFoundError)):
        return _about_repository(error, repository, host)
    if isinstance(error, HfHubHTTPError):
        return _about_status(error, repository, host)
    if isinstance(error, HFValidationError):
        return RepositoryMissing(f"“{repository}” is not the name of a repository. Choose another download.")
    if isinstance(error, (httpx2.HTTPError, OSError)):
        return _about_connection(error, host)
    return NoNetwork(
        f"The answer of {host} makes no sense; a login page of your network may be in between. "
        "Open a web page to check, then try again."
    )


def _about_repository(error: HfHubHTTPError, repository: str, host: str) -> AppError:
    if isinstance(error, GatedRepoError):
        return AccessDenied(
            f"“{repository}” asks you to accept its licence first. Log in to {host} in a browser, "
            "accept it there, run “hf auth login” on this computer and try again."
        )
    if isinstance(error, RevisionNotFoundError):
        return RepositoryMissing(f"This version of “{repository}” is no longer there. Choose another download.")
    if isinstance(error, DisabledRepoError):
        return RepositoryMissing(f"“{repository}” was taken offline by {host}. Choose another download.")
    return RepositoryMissing(
        f"“{repository}” does not exist on {host}, or it is private. Choose another download, "
        "or run “hf auth login” with an account that may read it."
    )


def _about_status(error: HfHubHTTPError, repository: str, host: str) -> AppError:
    status = error.response.status_code
    if isinstance(error, RemoteEntryNotFoundError) or status in {404, 410}:
        return RepositoryMissing(
            f"A file of “{repository}” is no longer there. Choose another download or try again later."
        )
    if status in {401, 403}:
        return AccessDenied(
            f"{host} refused access to “{repository}”. Run “hf auth login” with an account that may read it, "
            "then try again."
        )
    if status == 429:
        seconds = retry_after_s(error.response.headers)
        wait = f"in {seconds:.0f} seconds" if seconds else "in a few minutes"
        return DownloadInterrupted(f"{host} asks to slow down. Try again {wait}.")
    return NoNetwork(f"{host} has a problem at the moment (error {status}). Try again in a few minutes.")


def _about_connection(error: Exception, host: str) -> AppError:
    if isinstance(error, httpx2.TooManyRedirects):
        return DownloadInterrupted(
            f"{host} sends this download round in circles. Try again later or choose another download."
        )
    if isinstance(error, httpx2.UnsupportedProtocol):
        return NoNetwork(f"“{host}” is not the address of a server. Correct HF_ENDPOINT and start again.")
    if isinstance(error, httpx2.LocalProtocolError):
        return AccessDenied(
            f"The login for {host} can't be used: its token has characters that no token has. "
            "Correct HF_TOKEN, or run “hf auth login” again."
        )
    if isinstance(error, httpx2.ProxyError):
        return NoNetwork("The proxy refused the connection. Check the proxy settings of this computer.")
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return NoNetwork(
            f"The identity of {host} can't be verified. Check this computer's date, and whether a proxy is in between."
        )
    return NoNetwork(f"{host} can't be reached. Check the network connection and try again.")
