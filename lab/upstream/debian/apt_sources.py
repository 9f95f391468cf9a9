# SPDX-License-Identifier: GPL-3.0-or-later
"""Where this machine takes Debian packages from: read from its own APT configuration."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lab.errors import LabError

APT = Path("/etc/apt")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
VARIABLE = "EVENKEEL_APT_MIRROR"

_SUITES = {"bookworm", "trixie", "forky", "sid", "stable", "testing", "unstable", "oldstable"}
_TRANSPORT = ("Acquire::http::", "Acquire::https::", "Acquire::Check-", "Acquire::Retries ")


@dataclass(frozen=True)
class Source:
    """One place binary packages come from, however it was written down."""

    uri: str
    suite: str
    components: tuple[str, ...]


def mirror() -> str:
    """Return the URI of the main Debian archive this machine uses.

    Raises
    ------
    LabError
        No source of this machine is Debian's main archive.
    """
    if chosen := os.environ.get(VARIABLE):
        return chosen.rstrip("/")
    if found := main_archive(configured()):
        return found
    raise LabError(
        f"no Debian archive in {APT}/sources.list or {APT}/sources.list.d",
        f"name one: export {VARIABLE}=http://<mirror>/debian",
    )


def transport_options() -> list[str]:
    """Return this machine's APT settings about proxies, certificates and release dates, as ``apt.conf`` lines."""
    try:
        dump = subprocess.run(["apt-config", "dump"], check=True, capture_output=True, text=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        raise LabError(
            "apt-config does not answer", "use a Debian machine: the lab takes packages through APT"
        ) from error
    return [line for line in dump.splitlines() if line.startswith(_TRANSPORT) and not line.endswith(' "";')]


def configured(apt: Path = APT) -> list[Source]:
    """Return every source of the machine, in the order APT reads them."""
    parts = sorted(apt.glob("sources.list.d/*"))
    files = [file for file in (apt / "sources.list", *parts) if file.is_file()]
    sources: list[Source] = []
    for file in files:
        if file.suffix == ".list":
            sources += parse_list(file.read_text())
        elif file.suffix == ".sources":
            sources += parse_deb822(file.read_text())
    return sources


def main_archive(sources: list[Source]) -> str | None:
    """Return the URI that serves Debian's own suites, or None.

    Others publish under Debian's suite names too; a path that ends in ``/debian`` goes first.
    """
    uris = [
        uri
        for source in sources
        if source.suite in _SUITES and "main" in source.components and (uri := _download_uri(source.uri))
    ]
    return min(uris, key=lambda uri: not urlsplit(uri).path.endswith("/debian"), default=None)


def parse_list(text: str) -> list[Source]:
    """Read the one-line format: ``deb [options] uri suite component...``."""
    sources = []
    for line in text.splitlines():
        words = shlex.split(line.replace("[", " [ ").replace("]", " ] "), comments=True)
        if "[" in words and "]" in words:
            del words[words.index("[") : words.index("]") + 1]
        if len(words) >= 3 and words[0] == "deb":
            sources.append(Source(words[1], words[2], tuple(words[3:])))
    return sources


def parse_deb822(text: str) -> list[Source]:
    """Read the stanza format of ``*.sources``."""
    return [
        Source(uri, suite, tuple(stanza.get("components", "").split()))
        for stanza in _stanzas(text)
        if "deb" in stanza.get("types", "").split() and stanza.get("enabled", "yes") not in {"no", "false", "0"}
        for uri in stanza.get("uris", "").split()
        for suite in stanza.get("suites", "").split()
    ]


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    stanza: dict[str, str] = {}
    key = ""
    for line in [*text.splitlines(), ""]:
        if not line.strip():
            if stanza:
                yield stanza
            stanza = {}
        elif line.startswith("#"):
            continue
        elif line[0].isspace():
            stanza[key] += " " + line.strip()
        else:
            key, _, value = line.partition(":")
            key = key.strip().lower()
            stanza[key] = value.strip()


def _download_uri(uri: str) -> str | None:
    """Return the address behind ``uri``, following a local mirror list, or None for a CD or a remote list."""
    scheme, _, rest = uri.partition(":")
    if scheme == "mirror+file":
        listed = Path("/" + rest.lstrip("/"))
        uris = listed.read_text().split() if listed.is_file() else []
        return next((entry.rstrip("/") for entry in uris if entry.startswith(("http:", "https:"))), None)
    return uri.rstrip("/") if scheme in {"http", "https", "file"} else None
