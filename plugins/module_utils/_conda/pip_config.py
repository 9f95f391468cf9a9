# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module pip_config: pip's system-wide configuration, of which single keys are ours, and uv's, which is ours."""

from __future__ import annotations

import configparser
import ipaddress
import json
import os
import re
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files, made, remains
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, carrying
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Change, Kept
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import masked, without_user

ARGUMENT_SPEC: dict[str, Any] = {
    "index": {"type": "str", "default": ""},
    "proxy": {"type": "str", "default": ""},
    "no_proxy": {"type": "str", "default": ""},
    "ca_bundle": {"type": "str", "default": ""},
    "pip_conf": {"type": "path", "default": "/etc/pip.conf"},
    "uv_toml": {"type": "path", "default": "/etc/uv/uv.toml"},
}
#: Credentials in the URLs must not get into the node's log.
RULES: dict[str, Any] = {"no_log": True}

PIP_MARK = "# Evenkeel keeps the keys that follow."
UV_MARK = "# Evenkeel keeps this file."
_MARKS = "# Evenkeel keeps "

_URLS = ("index", "proxy")
_KEYS = ("index-url", "trusted-host", "proxy", "cert")
_OPTION = re.compile(r"([^\s#;\[=:][^=:]*?)\s*[=:]")


@dataclass(frozen=True)
class Wanted:
    """What pip and uv must use; where it is empty, they choose themselves."""

    index: str = ""
    proxy: str = ""
    no_proxy: str = ""
    ca_bundle: str = ""

    def pip(self) -> dict[str, str]:
        """Return pip's keys. A proxy that it is given counts for every host, so the index decides."""
        host = urlsplit(self.index).hostname or ""
        direct = bool(host) and bool(urllib.request.proxy_bypass_environment(host, {"no": self.no_proxy}))  # type: ignore[attr-defined]
        found = {
            "index-url": self.index,
            "trusted-host": urlsplit(self.index).netloc if self.index.startswith("http:") and not _local(host) else "",
            "proxy": "" if direct else self.proxy,
            "cert": self.ca_bundle,
        }
        return {key: value for key, value in found.items() if value}

    def uv(self) -> list[str]:
        """Return the lines of uv's file. It reads a file of certificates from the environment alone."""
        lines = []
        if self.proxy:
            lines += ["%s-proxy = %s" % (scheme, json.dumps(self.proxy)) for scheme in ("http", "https")]
            hosts = [host.strip() for host in self.no_proxy.split(",") if host.strip()]
            lines += ["no-proxy = %s" % json.dumps(hosts)] if hosts else []
        if self.index:
            lines += ["", "[[index]]", "url = %s" % json.dumps(self.index), "default = true"]
        return lines


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring both files to the declared state, or return what that would change."""
    warnings = [
        "The credentials of %s are not written, as everyone can read the files; see ~/.netrc" % name
        for name in _URLS
        if _credentials(params[name])
    ]
    with carrying(warnings):
        index, proxy = (_public(name, params[name]) for name in _URLS)
        wanted = Wanted(index, proxy, params["no_proxy"], params["ca_bundle"])
        files, more = _changes(wanted, params["pip_conf"], params["uv_toml"])
        changes = [change for change in files if change.changed]
        record = made.of_files("pip_config", files, _MARKS)
        if not check_mode:
            kept_files.apply_all([*record, *changes])
            if any(change.after is None for change in changes):
                remains.prune(os.path.dirname(params["uv_toml"]))
    return {
        "changed": bool(record or changes),
        "paths": [change.path for change in changes],
        "warnings": warnings + more,
        "diff": [change.diff() for change in (*record, *changes)],
    }


def secrets(params: dict[str, Any]) -> set[str]:
    """Return the credentials in the options, also in what is not a URL."""
    return {secret for name in _URLS for secret in [_credentials(params[name])] if secret}


def _credentials(url: str) -> str:
    """Return the part before the ``@`` of a URL, or of what was meant as one."""
    if not _is_url(url):
        return url.rpartition("@")[0]
    return url.partition("://")[2].partition("/")[0].rpartition("@")[0]


def _is_url(url: str) -> bool:
    return url.startswith(("http://", "https://", "file:///")) and url.split() == [url]


def _public(name: str, url: str) -> str:
    """Return a URL without its credentials, as it may stand in a file that everyone can read."""
    if url and not _is_url(url):
        raise EvenkeelError("%s is %r, which is not a URL" % (name, without_user(url)), "Write it as https://HOST/PATH")
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _changes(wanted: Wanted, pip_conf: str, uv_toml: str) -> tuple[list[Change], list[str]]:
    """Return what becomes of both files, and what is to be warned of."""
    of_pip = kept_files.read_shared(pip_conf)
    pip = plan_pip(pip_conf, of_pip, wanted.pip())
    uv = plan_uv(uv_toml, kept_files.read_shared(uv_toml), wanted.uv())
    warnings = defeated(pip_conf, of_pip, wanted.pip())
    if wanted.pip() and pip.after and not pip.after.for_all:
        warnings.append(
            "Some users can't read %s, and pip silently ignores it for them. Run `chmod a+r %s`, unless"
            " it holds a secret" % (pip_conf, pip_conf)
        )
    return [pip, uv], warnings


def plan_pip(path: str, file: Kept | None, wanted: Mapping[str, str]) -> Change:
    """Plan pip's file: our keys under a mark in ``[global]``, and all else as it is.

    Raises
    ------
    EvenkeelError
        The file is malformed, or written in a way in which keys cannot be replaced.
    """
    said = _said(file)
    _parsed(path, said)
    lines = _without_marked(said.splitlines())
    lines = _without(lines, wanted)
    others = _of_others(lines)
    if wanted:
        if "[global]" not in map(str.strip, lines):
            lines += ["", "[global]"] if lines else ["[global]"]
        at = [line.strip() for line in lines].index("[global]") + 1
        lines[at:at] = [PIP_MARK, *("%s = %s" % (key, wanted[key]) for key in _KEYS if key in wanted)]
    elif PIP_MARK in said and not others:
        return kept_files.edited(path, file, None)
    after = "\n".join([*lines, ""]) if lines else None
    if file is not None and after is not None and lines == said.splitlines():
        after = file.text
    result = _parsed(path, after or "")
    for key, value in wanted.items():
        if result["global"].get(key) != value:
            raise EvenkeelError("%s of %s could not be replaced" % (key, path), "Remove it from the file by hand")
    return _opened(kept_files.edited(path, file, after), ours_alone=bool(wanted) and not others)


def defeated(path: str, file: Kept | None, wanted: Mapping[str, str]) -> list[str]:
    """Return what a section of one command says otherwise, which counts for that command."""
    return [
        "[%s] of %s sets %s itself, which overrides it for pip %s" % (section, path, key, section)
        for section, keys in _parsed(path, _said(file)).items()
        if section != "global"
        for key, value in keys.items()
        if wanted.get(key, value) != value
    ]


def plan_uv(path: str, file: Kept | None, wanted: Sequence[str]) -> Change:
    """Plan uv's file, which is ours as a whole; uv runs for no user who can't read it.

    Raises
    ------
    EvenkeelError
        Somebody else's file says otherwise.
    """
    unchanged = Change(path, file, file)
    if file is not None and not kept_files.is_ours(path, file.text, UV_MARK):
        if wanted and _statements(file.text.splitlines()) != _statements(wanted):
            raise EvenkeelError(
                "%s was not written by Evenkeel and has other content" % path,
                "Move it away, or leave the index and the proxy out of Evenkeel's variables",
            )
        return unchanged
    if file is not None and not wanted and UV_MARK not in file.text:
        return unchanged
    after = "\n".join([UV_MARK, *wanted, ""]) if wanted else None
    return _opened(kept_files.edited(path, file, after), ours_alone=True)


def _opened(change: Change, *, ours_alone: bool) -> Change:
    """Have everybody read a file in which we want something; what others have written into it may be private."""
    if change.after is None or not ours_alone:
        return change
    mode = change.after.mode | 0o444 if change.after.mode else 0o644
    return replace(change, after=replace(change.after, mode=mode))


def _said(file: Kept | None) -> str:
    """Return the text of a file, where a crash has left one."""
    return "" if file is None or kept_files.is_blank(file.text) else file.text


def _parsed(path: str, text: str) -> dict[str, dict[str, str]]:
    """Return what pip reads in a file: by section, its keys."""
    parser = configparser.RawConfigParser()
    try:
        text.encode()
        parser.read_string(text, path)
    except configparser.Error as error:
        raise EvenkeelError(
            "%s is malformed: %s" % (path, masked(" ".join(str(error).split()))), "Fix that line, or move the file away"
        ) from None
    except UnicodeEncodeError:
        raise EvenkeelError("%s is not text in UTF-8" % path, "Convert it to UTF-8, or move it away") from None
    return {section: {_key(key): value for key, value in parser.items(section)} for section in parser.sections()}


def _key(written: str) -> str:
    """Return the one name of a key, of which pip takes several spellings."""
    name = written.strip().lower().replace("_", "-")
    return name[2:] if name.startswith("--") else name


def _key_on(line: str) -> str:
    """Return the key that begins on a line, empty where none does."""
    found = _OPTION.match(line)
    return _key(found[1]) if found else ""


def _without_marked(lines: Sequence[str]) -> list[str]:
    """Return the lines without ours: the mark and the keys that follow it."""
    kept, ours = [], False
    for line in lines:
        ours = line.strip() == PIP_MARK or (ours and _key_on(line) in _KEYS)
        if not ours:
            kept.append(line)
    return kept


def _of_others(lines: Sequence[str]) -> bool:
    """Whether there is anything that we have not written."""
    return any(line.strip() not in ("", "[global]") for line in lines)


def _without(lines: Sequence[str], keys: Mapping[str, str]) -> list[str]:
    """Return the lines without these keys of ``[global]``, by any author, and without the rest of their values."""
    kept, section, dropping = [], "", False
    for line in lines:
        if line.startswith("["):
            section = line.strip()
        if not line[:1].isspace():
            dropping = section == "[global]" and _key_on(line) in keys
        if not dropping:
            kept.append(line)
    return kept


def _statements(lines: Sequence[str]) -> list[str]:
    """Return the lines that say something."""
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def _local(host: str) -> bool:
    """Whether pip takes a host for this machine, which it trusts without TLS."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
