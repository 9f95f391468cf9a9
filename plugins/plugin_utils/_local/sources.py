# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Where a user's machine gets packages: as the user's conda and pip are configured, or as options say."""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import parsed, read_text
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import ALIAS, ANACONDA
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import mirrors

_PKGS = re.compile(r"/(pkgs/)?(?P<name>main|r|msys2|free|pro)/?$")
#: What uv itself reads.
_OF_UV = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")


@dataclass(frozen=True)
class Sources:
    """Where packages come from."""

    #: Prefix of URLs to what is asked in its place.
    mirrors: Mapping[str, str] = field(default_factory=dict)
    #: Empty for the one that uv is configured to ask.
    pip_index: str = ""


def chosen(mirror: str, pip_index: str, platform: str) -> Sources:
    """Return what the options say, and where they say nothing, what conda and pip are configured to.

    Parameters
    ----------
    mirror
        What ``evenkeel_mirror`` of an inventory may be: a known mirror's name, or the base URL of one.
    pip_index
        The URL of an index.
    """
    if mirror:
        answer = mirrors.answer(mirror, platforms=(platform,))
        return Sources(answer["prefixes"], pip_index or answer["pip_index"] or of_pip(os.environ))
    return Sources(of_condarc(map(_settings, condarc_files(os.environ))), pip_index or of_pip(os.environ))


def condarc_files(environ: Mapping[str, str]) -> list[Path]:
    """Return the files of conda's configuration that are there, the lowest precedence first."""
    home = Path(environ.get("HOME") or "/")
    configuration = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    places = [Path("/etc/conda/.condarc"), Path("/etc/conda/condarc")]
    places += sorted(Path("/etc/conda/condarc.d").glob("*.y*ml"))
    places += [configuration / "conda" / ".condarc", configuration / "conda" / "condarc"]
    places += [home / ".conda" / ".condarc", home / ".conda" / "condarc", home / ".condarc"]
    if environ.get("CONDARC"):
        places.append(Path(environ["CONDARC"]))
    return [path for path in places if path.is_file()]


def of_condarc(files: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the mirrors that files of conda's configuration mean, the lowest precedence first; pure.

    What only names channels means none: a lock has the URLs of its own.
    """
    found: dict[str, str] = {}
    for settings in files:
        alias, defaults = settings.get("channel_alias"), settings.get("default_channels")
        custom = settings.get("custom_channels")
        if _is_url(alias):
            found[ALIAS] = _expanded(str(alias))
        for url in filter(_is_url, defaults if isinstance(defaults, list) else ()):
            named = _PKGS.search(url)
            if named:
                found["%s/pkgs/%s" % (ANACONDA, named["name"])] = _expanded(url)
        for name, base in custom.items() if isinstance(custom, dict) else ():
            if _is_url(base):
                original = ANACONDA if str(name).startswith("pkgs/") else ALIAS
                found["%s/%s" % (original, name)] = "%s/%s" % (_expanded(base), name)
    return {original: mirror for original, mirror in found.items() if original != mirror}


def of_pip(environ: Mapping[str, str]) -> str:
    """Return the index that pip is configured to ask, which uv does not know; empty where uv has one of its own."""
    if any(environ.get(name) for name in _OF_UV):
        return ""
    if environ.get("PIP_INDEX_URL"):
        return environ["PIP_INDEX_URL"]
    home = Path(environ.get("HOME") or "/")
    configuration = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    places = [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", configuration / "pip" / "pip.conf"]
    if environ.get("PIP_CONFIG_FILE"):
        places.append(Path(environ["PIP_CONFIG_FILE"]))
    parser = _OfPip(strict=False)
    try:
        parser.read(places, encoding="utf-8")
    except (configparser.Error, UnicodeError) as error:
        raise EvenkeelError(
            "pip's configuration can't be read: %s" % " ".join(str(error).split()),
            "Correct the file, or name the index with --pip-index",
        ) from error
    # Of pip's commands, it is "install" that is stood in for, and its section comes before that of all.
    found = (parser.get(section, "index-url", fallback="").strip() for section in ("install", "global"))
    return next(filter(None, found), "")


class _OfPip(configparser.RawConfigParser):
    def optionxform(self, optionstr: str) -> str:
        """Return one of the spellings of a key that mean the same to pip."""
        return optionstr.lower().replace("_", "-")


def _settings(path: Path) -> Mapping[str, Any]:
    """Return what a file of conda's configuration sets; one may hold comments alone."""
    text = read_text(path)
    lines = map(str.strip, text.splitlines())
    return parsed(path, text) if any(line and not line.startswith("#") for line in lines) else {}


def _is_url(value: object) -> bool:
    return isinstance(value, str) and "://" in value


def _expanded(url: str) -> str:
    """Return a URL with variables as conda puts their values there."""
    return os.path.expandvars(url).rstrip("/")
