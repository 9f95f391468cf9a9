# SPDX-License-Identifier: GPL-3.0-or-later
"""The last release, out of this clone's history: install it, or list the names and defaults that its users have.

python -m maintenance.released install FOLDER            a folder for ANSIBLE_COLLECTIONS_PATH
python -m maintenance.released names >tests/released/VERSION.yml      at a release, of the files as they are
"""

from __future__ import annotations

import argparse
import ast
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from maintenance import reproducible_archive

ROOT = Path(__file__).parents[1]
#: What each release has, by its version.
RELEASES = ROOT / "tests" / "released"

Defaults = dict[str, Any]


class _Dumper(yaml.SafeDumper):
    """Indents lists, as the project's YAML files do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


class ReleaseError(Exception):
    """The release can't be built here."""


@dataclass(frozen=True)
class Release:
    """A released state of the collection."""

    version: str
    commit: str
    #: By role, playbook and module, the default of each input; None where there is none.
    roles: dict[str, Defaults]
    playbooks: dict[str, Defaults]
    modules: dict[str, Defaults]


def last() -> Release:
    """Return the release that nodes may have now."""
    path = max(RELEASES.glob("*.yml"), key=lambda path: tuple(int(part) for part in path.stem.split(".")))
    return Release(path.stem, **yaml.safe_load(path.read_text()))


def install(release: Release, folder: Path) -> None:
    """Build the release's artifact from its commit, and install it.

    Raises
    ------
    ReleaseError
        The commit is not in this clone, or a tool failed.
    """
    if subprocess.run(["git", "cat-file", "-e", f"{release.commit}^{{commit}}"], cwd=ROOT, check=False).returncode:
        raise ReleaseError(
            f"The commit {release.commit} of the release {release.version} is not in this clone. Get the whole history "
            "(git fetch --unshallow), then run again."
        )
    with tempfile.TemporaryDirectory() as place:
        archive = built(release.commit, Path(place))
        _galaxy("install", str(archive), "--offline", "--force", "--collections-path", str(folder))


def built(revision: str, folder: Path) -> Path:
    """Build the artifact of a commit, of nothing but what is committed, and return its path in the folder.

    Its bytes are the same each time, with the same Python and ansible-core.
    """
    with tempfile.TemporaryDirectory() as source:
        archive = subprocess.run(["git", "archive", revision], cwd=ROOT, check=True, stdout=subprocess.PIPE)
        subprocess.run(["tar", "--extract", "--directory", source], input=archive.stdout, check=True)
        _galaxy("build", source, "--output-path", str(folder))
    (artifact,) = folder.iterdir()
    time = ["git", "log", "-1", "--format=%ct", revision]
    done = subprocess.run(time, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    reproducible_archive.rewrite(artifact, int(done.stdout))
    return artifact


def names(folder: Path) -> dict[str, dict[str, Defaults]]:
    """Return the inputs of roles, playbooks and modules below a folder, with their defaults."""
    roles = {path.parts[-3]: path for path in sorted(folder.glob("roles/*/meta/argument_specs.yml"))}
    playbooks = folder / "playbooks" / "meta" / "argument_specs.yml"
    documented = {path.stem: _documentation(path) for path in sorted(folder.glob("plugins/modules/*.py"))}
    return {
        "roles": {role: _defaults(next(iter(_entries(path).values()))) for role, path in roles.items()},
        "playbooks": {name: _defaults(entry) for name, entry in _entries(playbooks).items()}
        if playbooks.exists()
        else {},
        "modules": {name: _defaults(documentation) for name, documentation in documented.items()},
    }


def _entries(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())["argument_specs"]
    return found


def _defaults(described: dict[str, Any]) -> Defaults:
    return {name: option.get("default") for name, option in described.get("options", {}).items()}


def _documentation(path: Path) -> dict[str, Any]:
    """Return what a module says of itself, with the options of this collection's fragments; nothing is imported."""
    found = _assigned(path, "DOCUMENTATION")
    options: dict[str, Any] = {}
    for name in found.get("extends_documentation_fragment", []):
        file, _dot, section = name.removeprefix("evenkeel.gpu.").partition(".")
        fragment = path.parents[1] / "doc_fragments" / f"{file}.py"
        if fragment.exists():
            options |= _assigned(fragment, section.upper() or "DOCUMENTATION").get("options", {})
    return {**found, "options": {**options, **found.get("options", {})}}


def _assigned(path: Path, name: str) -> dict[str, Any]:
    """Return what the text of a name means, in a file or in a class of it; nothing where there is none."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == name for target in node.targets):
            found: dict[str, Any] = yaml.safe_load(ast.literal_eval(node.value))
            return found
    return {}


def _galaxy(*arguments: str) -> None:
    command = ["ansible-galaxy", "collection", *arguments]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, "ANSIBLE_NOCOLOR": "1"}
    )
    if done.returncode:
        raise ReleaseError(f"`{' '.join(command)}` failed:\n{done.stdout}{done.stderr}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install").add_argument("folder", type=Path)
    commands.add_parser("names").add_argument("folder", type=Path, nargs="?", default=ROOT)
    given = parser.parse_args(arguments)
    try:
        if given.command == "install":
            install(last(), given.folder)
        else:
            commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True)
            print("---\n# The names that users of this release have, with their defaults, and its commit.")
            yaml.dump({"commit": commit.stdout.strip(), **names(given.folder)}, sys.stdout, _Dumper)
    except ReleaseError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
