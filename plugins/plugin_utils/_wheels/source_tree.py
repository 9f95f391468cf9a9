# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Fetch the source of a release: an archive by its hash, or one commit."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.download import download
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.limits import FILE_BYTES, limited
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.source_release import SourceRelease

#: Seconds that a server may stay silent, and how often it is asked again.
ANSWER_SECONDS = 60
RETRIES = 3
#: For all that git does.
GIT_SECONDS = 1800
ARCHIVES = (".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.xz")
#: What git sets in hooks, where a lock may be made.
_OF_A_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
_COMMIT = re.compile(r"git\+(?P<repository>.+)@(?P<commit>[0-9a-f]{40})(#(?P<fragment>.*))?")


def is_commit(release: SourceRelease) -> bool:
    """Return whether a release is a commit, not an archive."""
    return release.url.startswith("git+")


def fetch_archive(release: SourceRelease, url: str, directory: Path) -> Path:
    """Download the archive of a release from ``url`` into ``directory``; return its path.

    Raises
    ------
    EvenkeelError
        It can't be fetched, is of an unknown kind, or is not what the index said.
    """
    if not release.sha256:
        raise EvenkeelError(
            f"The index has no SHA-256 of {release.url}", "Choose an index that has one for each of its files"
        )
    path = unquote(urlsplit(url).path)
    suffix = next((one for one in ARCHIVES if path.endswith(one)), "")
    if not suffix:
        raise EvenkeelError(
            f"The source of {release.name} {release.version} is {path.rpartition('/')[2]}, which is not an archive of "
            "a known kind",
            f"Known: {', '.join(ARCHIVES)}; choose another release",
        )
    target = directory / f"source{suffix}"  # a name of the index's could be a path
    found = download(url, str(target), ANSWER_SECONDS, RETRIES, sha256=release.sha256)
    if found != release.sha256:
        target.unlink()
        raise EvenkeelError(
            f"{url} has the SHA-256 {found}, not {release.sha256}",
            "Nothing was built from it; find out who changed it, or use another index",
        )
    return target


def fetch_commit(release: SourceRelease, directory: Path) -> Path:
    """Check a commit out, with its submodules, below ``directory``; return where its project is.

    The history is there, since projects take their version from tags; git has the control node's own credentials.

    Raises
    ------
    EvenkeelError
        git can't fetch it, or the project has no such subdirectory.
    """
    repository, commit, subdirectory = parts_of(release.url)
    tree = directory / "tree"
    _git("clone", "--quiet", "--filter=blob:none", "--no-checkout", "--", repository, str(tree))
    if _git("-C", str(tree), "cat-file", "-t", commit, check=False) != "commit":
        _git("-C", str(tree), "fetch", "--quiet", "--no-tags", "--", repository, commit)
    _git("-C", str(tree), "checkout", "--quiet", "--detach", commit)
    _git("-C", str(tree), "submodule", "update", "--quiet", "--init", "--recursive")
    project = tree / subdirectory
    if not project.resolve().is_relative_to(tree.resolve()) or not project.is_dir():
        raise EvenkeelError(
            f"{release.url} has no directory {subdirectory}", "Correct the subdirectory in the requirement's URL"
        )
    return project


def parts_of(url: str) -> tuple[str, str, str]:
    """Return the repository, the commit and the subdirectory of a requirement's URL.

    >>> parts_of("git+https://git.example/tool.git@" + 40 * "0" + "#subdirectory=python&egg=tool")[2]
    'python'
    """
    match = _COMMIT.fullmatch(url)
    if match is None:
        raise EvenkeelError(f"{url} names no commit", "Write it as git+https://HOST/PROJECT@COMMIT")
    options = dict(part.partition("=")[::2] for part in (match["fragment"] or "").split("&"))
    return match["repository"], match["commit"], unquote(options.get("subdirectory", ""))


def _git(*arguments: str, check: bool = True) -> str:
    """Run git, which asks nobody for a password; return what it prints."""
    usual = {"GIT_SSH_COMMAND": "ssh -o BatchMode=yes", "GIT_ASKPASS": "true", "SSH_ASKPASS": "true"}
    own = {name: value for name, value in os.environ.items() if name not in _OF_A_REPOSITORY}
    what = f"git {' '.join(arguments)}"
    try:
        with limited(FILE_BYTES):
            done = subprocess.run(
                ["git", *arguments],
                check=False,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                stdin=subprocess.DEVNULL,
                env={**usual, **own, "LC_ALL": "C.UTF-8", "GIT_TERMINAL_PROMPT": "0"},
                timeout=GIT_SECONDS,
            )
    except FileNotFoundError:
        raise EvenkeelError("The control node has no git, which fetches commits", "Install git there") from None
    except subprocess.TimeoutExpired:
        raise EvenkeelError(f"`{what}` did not end within {GIT_SECONDS} seconds", "Check its server") from None
    if check and done.returncode:
        words = [line for line in done.stderr.strip().splitlines() if line.strip()] or ["it printed nothing"]
        raise EvenkeelError(
            f"`{what}` failed on the control node: {' / '.join(words[-3:])}",
            "Check the URL and the commit, and that git on the control node has the credentials to read the project",
        )
    return done.stdout.strip()
