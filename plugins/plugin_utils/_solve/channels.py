# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Names of channels and the one URL each has; mirrors that answer in place of another host."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import carries_credentials, without_user
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping

PARTIAL = Path(__file__).parents[1] / "data" / "partial_channels.yml"
ANACONDA = "https://repo.anaconda.com"
_PATH = re.compile(r"[/~\\]|\.{1,2}([/\\]|$)|[A-Za-z]:[/\\]")
#: conda's names of platforms, and the folder of what fits all.
SUBDIRS = (
    *(
        "noarch",
        "linux-64",
        "linux-aarch64",
        "linux-32",
        "linux-armv6l",
        "linux-armv7l",
        "linux-ppc64",
        "linux-ppc64le",
    ),
    *("linux-riscv32", "linux-riscv64", "linux-s390x", "osx-64", "osx-arm64", "win-32", "win-64", "win-arm64"),
    *("emscripten-wasm32", "wasi-wasm32", "freebsd-64", "zos-z"),
)
#: A platform's folder of a channel.
SUBDIR = re.compile(rf"(?P<channel>.+)/(?P<subdir>{'|'.join(SUBDIRS)})")
#: conda's name of the folder of what a machine has built itself.
_OWN_BUILDS = "local"
#: Of a name or a URL.
_NAME = re.compile(r"[^\s\x00-\x1f\x7f-\x9f]+")
#: conda's ``defaults`` on Linux, in order of priority.
DEFAULTS = (f"{ANACONDA}/pkgs/main", f"{ANACONDA}/pkgs/r")
ALIAS = "https://conda.anaconda.org"
#: What conda is configured to ask after a file's own channels, by the distribution; for messages.
CONFIGURED = "`- defaults`, as Miniconda is configured, or `- conda-forge`, as Miniforge is"
#: Says that conda's configured channels are not to be added; nothing is ever added here.
NODEFAULTS = "nodefaults"


@dataclass(frozen=True)
class Mirrors:
    """Prefixes of URLs and what to ask in their place; the longest prefix that fits wins."""

    #: Original prefix and mirror's, without a slash at the end, the longest originals first.
    pairs: tuple[tuple[str, str], ...] = ()

    def mirrored(self, url: str) -> str:
        """Return where to get what is at ``url``."""
        return _replaced(url, self.pairs)

    def original(self, url: str) -> str:
        """Return the URL that ``mirrored`` made ``url`` of."""
        mirrors = ((mirror, original) for original, mirror in self.pairs)
        return _replaced(url, sorted(mirrors, key=lambda pair: -len(pair[0])))


def mirrors_from(option: Mapping[str, str] | None, name: str = "mirrors") -> Mirrors:
    """Return the mirrors of an option ``{prefix: prefix}``, whose name is for the error.

    Raises
    ------
    EvenkeelError
        A prefix is not a URL.
    """
    for url in (url for pair in (option or {}).items() for url in pair):
        if not isinstance(url, str) or "://" not in url:
            raise EvenkeelError(
                f"{name} holds {without_user(url)!r}, which is not a URL",
                "Write it as {https://repo.anaconda.com: URL of the mirror}",
            )
    pairs = [(original.rstrip("/"), mirror.rstrip("/")) for original, mirror in (option or {}).items()]
    return Mirrors(tuple(sorted(pairs, key=lambda pair: (-len(pair[0]), pair))))


def channel_urls(names: Iterable[str]) -> tuple[str, ...]:
    """Return the URLs of channels, in the order of their names and each once.

    Raises
    ------
    EvenkeelError
        A URL carries credentials, which would end up in a lock; or a name is a path, or none at all.
    """
    return tuple(dict.fromkeys(url for name in names for url in _urls(name.strip().rstrip("/"))))


def has_configured(urls: Iterable[str]) -> bool:
    """Whether one of these channels is one that a distribution of conda is configured with."""
    return any(url in (*DEFAULTS, f"{ALIAS}/conda-forge") for url in urls)


def are_partial(urls: Iterable[str]) -> bool:
    """Whether all of these channels, or the channels of these labels, are known to hold no Python."""
    known = {f"{ALIAS}/{name}" for name in read_mapping(PARTIAL)["partial"]}
    return all(url.partition("/label/")[0] in known for url in urls)


def without_credentials(url: str) -> str:
    """Return a URL that everybody may read. Over ssh, the user is part of the address; a password is not."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    kept = user.partition(":")[0] + at if parts.scheme.endswith("ssh") else ""
    return urlunsplit(parts._replace(netloc=kept + host))


def require_public(url: str) -> None:
    """Refuse the URL of a channel or a package that is not for everybody to read.

    Raises
    ------
    EvenkeelError
        It carries credentials, which would end up in a lock.
    """
    if carries_credentials(url):
        raise EvenkeelError(
            f"{url} is written with credentials, which every reader of a lock would see",
            "Write it without them, and keep them in the control node's own ~/.netrc or ~/.rattler/credentials.json",
        )


def _urls(name: str) -> tuple[str, ...]:
    if name == NODEFAULTS:
        return ()
    if name == "defaults":
        return DEFAULTS
    if _PATH.match(name) or name == _OWN_BUILDS:
        raise EvenkeelError(
            f"The channel {name!r} is a path on one machine", "Write the URL of what every machine reaches"
        )
    if not _NAME.fullmatch(name):
        raise EvenkeelError(f"The channel {name!r} is neither a name nor a URL", "Write it like conda-forge")
    if below := SUBDIR.fullmatch(name):
        raise EvenkeelError(
            f"The channel {name!r} has the folder {below['subdir']}, and a channel is asked for all folders that count",
            f"Write it as {below['channel']}",
        )
    if "://" not in name:
        return (f"{ANACONDA if name.startswith('pkgs/') else ALIAS}/{name}",)
    require_public(name)
    return (name,)


def _replaced(url: str, pairs: Iterable[tuple[str, str]]) -> str:
    for prefix, other in pairs:
        if url == prefix or url.startswith(f"{prefix}/"):
            return other + url[len(prefix) :]
    return url
