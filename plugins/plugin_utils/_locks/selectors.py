# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Lines and entries of an environment.yml that count on some platforms only.

A comment ``# [linux64]`` selects its line, as conda-lock reads it (https://conda.github.io/conda-lock/src_environment_yml),
and a key ``sel(linux)`` its package, as mamba reads it. conda itself knows neither.
"""

from __future__ import annotations

import re

#: What each platform is called. Those of conda-lock, of conda-build beside them, and conda's own names.
NAMES = {
    "linux-64": {"linux-64", "linux64", "linux", "unix", "x86_64"},
    "linux-aarch64": {"linux-aarch64", "aarch64", "linux", "unix"},
    "linux-ppc64le": {"linux-ppc64le", "ppc64le", "linux", "unix"},
    "osx-64": {"osx-64", "osx64", "osx", "unix", "x86_64"},
    "osx-arm64": {"osx-arm64", "arm64", "osx", "unix"},
    "win-64": {"win-64", "win64", "win", "x86_64"},
}
KNOWN = frozenset(name for names in NAMES.values() for name in names)
#: The last bracket of a comment, which another parenthesis must not follow.
_COMMENT = re.compile(r"\s#.*\[(?P<selector>[^\[\]]+)\][^()]*$")
_KEY = re.compile(r"sel\((?P<selector>[^()]*)\)")


def is_selector(text: str) -> bool:
    """Whether a text is the name of a platform, or such names joined by ``not``, ``and`` and ``or``."""
    words = text.split()
    return bool(words) and all(word in KNOWN or word in ("not", "and", "or") for word in words) and _is_whole(words)


def holds(selector: str, platform: str) -> bool:
    """Whether a selector is true on a platform of conda; ``and`` binds before ``or``, as in Python."""
    return any(
        all(_is_true(term.split(), platform) for term in re.split(r"\band\b", alternative))
        for alternative in re.split(r"\bor\b", selector)
    )


def of_key(key: object) -> str | None:
    """Return the selector of a key ``sel(...)``; None when it is another key."""
    match = _KEY.fullmatch(key) if isinstance(key, str) else None
    return match["selector"] if match else None


def are_used(text: str) -> bool:
    """Whether a line of a file's text has a selector."""
    return any(_of(line) for line in text.splitlines())


def selected(text: str, platform: str) -> str:
    """Return a file's text with empty lines in the place of those, and of what is nested below, that are not for
    ``platform``.
    """
    lines: list[str] = []
    left_out_below: int | None = None
    for line in text.splitlines():
        depth = len(line) - len(line.lstrip())
        if left_out_below is not None and (depth > left_out_below or not line.strip()):
            lines.append("")
            continue
        selector = _of(line)
        left_out_below = None if selector is None or holds(selector, platform) else depth
        lines.append(line if left_out_below is None else "")
    return "".join(f"{line}\n" for line in lines)


def _of(line: str) -> str | None:
    match = None if line.lstrip().startswith("#") else _COMMENT.search(line)
    return match["selector"] if match and is_selector(match["selector"]) else None


def _is_whole(words: list[str]) -> bool:
    """Whether names and words that join them follow each other as in a condition."""
    kinds = "".join({"not": "n", "and": "j", "or": "j"}.get(word, "x") for word in words)
    return re.fullmatch(r"n*x(jn*x)*", kinds) is not None


def _is_true(words: list[str], platform: str) -> bool:
    *negations, name = words
    return (name in NAMES[platform]) != (len(negations) % 2 == 1)
