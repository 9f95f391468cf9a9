# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse a release that is not ready, and make what it consists of: the collection's archive, checksums and notes.

python -m maintenance.make_release v0.2.0                   print all that is missing for this tag; status 1
python -m maintenance.make_release v0.2.0 --into FOLDER     make its files in a new folder, too
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from packaging.version import Version

from maintenance import released
from maintenance.released import ReleaseError

ROOT = Path(__file__).parents[1]
CHECKSUMS, NOTES = "SHA256SUMS", "notes.md"
#: How many files a message names.
MOST_NAMED = 5
_TAG = re.compile(r"v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)")


@dataclass(frozen=True)
class Tree:
    """What a clone says of its next release."""

    #: Of galaxy.yml.
    version: str
    #: The releases of changelogs/changelog.yaml.
    releases: Sequence[str]
    #: The text of CHANGELOG.rst.
    changelog: str
    #: The names of the changelog's fragments.
    fragments: Sequence[str]
    #: What git finds that is not committed.
    changes: Sequence[str]
    #: Whether there is such a tag, of another commit than the one that is checked out.
    tagged_elsewhere: bool = False


def read(tag: str) -> Tree:
    """Return the state of this clone."""
    changelogs = ROOT / "changelogs"
    return Tree(
        version=str(yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]),
        releases=list(yaml.safe_load((changelogs / "changelog.yaml").read_text())["releases"]),
        changelog=(ROOT / "CHANGELOG.rst").read_text(),
        fragments=sorted(path.name for path in (changelogs / "fragments").glob("*.y*ml")),
        changes=_git("status", "--porcelain"),
        tagged_elsewhere=tag in _git("tag", "--list") and tag not in _git("tag", "--points-at", "HEAD"),
    )


def problems(tag: str, tree: Tree) -> list[str]:
    """Return all that keeps the tree from being released by the tag."""
    if not _TAG.fullmatch(tag):
        return [f"The tag {tag} is not of the form vX.Y.Z. Tag v{tree.version}."]
    version, newest = tag.removeprefix("v"), max(tree.releases, key=Version)
    found = []
    if version != tree.version:
        found.append(f"The tag {tag} is not the version {tree.version} of galaxy.yml. Change one of them.")
    if version not in tree.releases or f"\nv{version}\n" not in tree.changelog:
        found.append(f"The changelog has no release {version}. Run antsibull-changelog release, and commit the result.")
    elif version != newest:
        found.append(f"The changelog has the newer release {newest}. Release a version after it.")
    if tree.fragments:
        found.append(f"Fragments belong to no release: {_named(tree.fragments)}. Run antsibull-changelog release.")
    if tree.changes:
        found.append(f"Not committed: {_named([line[3:] for line in tree.changes])}. Commit it or remove it.")
    if tree.tagged_elsewhere:
        found.append(f"The tag {tag} is of another commit than the one checked out. Check out the tag.")
    return found


def make(version: str, folder: Path) -> None:
    """Make the files of a release in a folder that is new or empty."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ReleaseError(f"{folder} is not empty. Name a new folder.")
    archive = released.built("HEAD", folder)
    notes = folder / NOTES
    _run("antsibull-changelog", "generate", version, "--only-latest", "--output-format=md", f"--output={notes}")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    (folder / CHECKSUMS).write_text(f"{digest}  {archive.name}\n")


def _named(files: Sequence[str]) -> str:
    more = [f"{len(files) - MOST_NAMED} more"] if len(files) > MOST_NAMED else []
    return ", ".join([*files[:MOST_NAMED], *more])


def _git(*arguments: str) -> list[str]:
    return _run("git", *arguments).splitlines()


def _run(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode:
        raise ReleaseError(f"`{' '.join(command)}` failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> None:
    """Check, and make."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tag")
    parser.add_argument("--into", type=Path, metavar="FOLDER")
    given = parser.parse_args(arguments)
    try:
        if found := problems(given.tag, read(given.tag)):
            sys.exit("\n".join(found))
        if given.into:
            make(given.tag.removeprefix("v"), given.into)
    except ReleaseError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
