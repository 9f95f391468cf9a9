# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Where environment files and their locks are on the control node."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping, read_text

#: The folder of the environments, where no variable names another.
FOLDER = "environments"
VARIABLE = "conda_environments_directory"
#: Files that are environments whatever they hold, and whose lock is ``conda-lock.yml``.
STANDARD = ("environment.yml", "environment.yaml")
SUFFIXES = (".yml", ".yaml")
LOCK = "conda-lock.yml"
#: What makes any other file an environment: the key, and a list in its place.
_DEPENDENCIES = re.compile(r"""^["']?dependencies["']?[ \t]*:[ \t]*(\[|#|$)""", re.MULTILINE)


def default_directory(inventories: Iterable[str], working: Path) -> Path:
    """Return the folder ``environments`` of the run: above its inventory, else in the working directory.

    It is the same for every host and playbook of a run. It may be missing.

    Parameters
    ----------
    inventories
        What ``-i`` named: paths, and lists of hosts, which have no place.
    working
        The directory that the run was started in.

    Raises
    ------
    EvenkeelError
        The inventories lead to different folders.
    """
    found = {folder / FOLDER for source in _paths(inventories) for folder in _above(source) if _is_home(folder, source)}
    if len(found) > 1:
        raise EvenkeelError(
            f"The inventories of this run have more than one folder of environments: {_listed(sorted(found))}",
            f"Set {VARIABLE} to the one to use",
        )
    return next(iter(found), working / FOLDER)


def absolute(directory: str, working: Path) -> Path:
    """Return what a user's name of a directory means, whichever playbook or role reads it."""
    return working / Path(directory).expanduser()


def require_directory(directory: Path, inventories: Iterable[str], working: Path) -> None:
    """Refuse a directory that is missing; where it is the default, report all places that were looked in.

    Raises
    ------
    EvenkeelError
        It is missing.
    """
    if directory.is_dir():
        return
    what = f"There is no folder {directory}"
    if directory == working / FOLDER:
        looked = [folder for source in _paths(inventories) for folder in _above(source)]
        what = f"There is no folder {FOLDER} in {_listed(dict.fromkeys([*looked, working]))}"
    raise EvenkeelError(what, f"Set {VARIABLE} to the folder with your environments")


def environment_named(directory: Path, name: str) -> Path:
    """Return the environment file of a name: the one in its folder, or NAME.yml. It may be missing.

    Raises
    ------
    EvenkeelError
        There are several.
    """
    folder = directory / name
    standard = [folder / file for file in STANDARD if os.path.lexists(folder / file)]
    found = standard or environments_in(folder) or _by_name(directory, name)
    if len(found) > 1:
        raise EvenkeelError(
            f"{folder} has {len(found)} environment files: {_listed(path.name for path in found)}",
            f"Name one of them in conda_environments_list, such as environment: {name}/{found[0].name}",
        )
    return found[0] if found else folder / STANDARD[0]


def environments_to_lock(directory: Path, name: str, working: Path, variable: str = "lock_env") -> list[Path]:
    """Return the environment files that lock.yml locks and compile.yml compiles.

    Parameters
    ----------
    directory
        The folder of environments.
    name
        A folder in it or a file, as paths below ``directory`` or ``working``; all files when empty: those in
        ``directory`` and in its folders.
    variable
        What ``name`` is the value of.

    Raises
    ------
    EvenkeelError
        There is none.
    """
    found = _named(directory, name, working) if name else all_below(directory)
    if not found:
        raise _none(directory, name, variable)
    # Of two that would have one lock, the one that is here is refused, with the name of the other.
    return list({lock_beside(path): path for path in found}.values())


def require_own_lock(environment: Path) -> None:
    """Refuse an environment file whose lock another one in its folder would have too.

    Raises
    ------
    EvenkeelError
        Names both.
    """
    lock = lock_beside(environment)
    others = [
        path.name for path in environments_in(environment.parent) if path != environment and lock_beside(path) == lock
    ]
    if others:
        raise EvenkeelError(
            f"{environment} and {_listed(others)} would have the same lock, {lock.name}", "Rename one of them"
        )


def environments_in(folder: Path) -> list[Path]:
    """Return the environment files of a folder: those of the standard names, and YAML with a list ``dependencies``.

    Of the standard names, also what is no file, so that reading it says what it is.
    """
    if not folder.is_dir():
        return []
    return [
        path
        for path in sorted(folder.iterdir())
        if path.suffix in SUFFIXES
        and not path.name.startswith(".")
        and not path.stem.endswith(Path(LOCK).stem)
        and (path.name in STANDARD or (path.is_file() and _has_dependencies(path)))
    ]


def require_yaml(path: Path) -> None:
    """Refuse in place of an environment or a lock what other programs have beside them.

    Raises
    ------
    EvenkeelError
        Says what to name instead.
    """
    if path.suffix == ".toml" or path.name == "Pipfile":
        raise EvenkeelError(
            f"{path} is TOML, not YAML", f"Name an {STANDARD[0]}, a {LOCK}, or the pixi.lock of a project of pixi"
        )
    if path.suffix == ".txt":
        raise EvenkeelError(
            f"{path} is neither an environment nor a lock",
            f"If it is pip's, write an {STANDARD[0]} with `- -r {path.name}` below pip; if conda's, set explicit",
        )


def all_below(directory: Path) -> list[Path]:
    """Return the environment files of a folder and of the folders in it."""
    if not directory.is_dir():
        return []
    folders = sorted(path for path in directory.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [path for folder in (directory, *folders) for path in environments_in(folder)]


def lock_beside(environment: Path) -> Path:
    """Return where the lock of an environment file is, if it is locked.

    ``conda-lock.yml`` for ``environment.yml``, ``gpu.conda-lock.yml`` for ``gpu.yml``; also for ``gpu.yml`` a
    ``conda-lock.yml`` that names it as its only source.
    """
    shared = environment.with_name(LOCK)
    if environment.name in STANDARD:
        return shared
    own = environment.with_name(f"{environment.stem}.{LOCK}")
    return shared if not own.exists() and shared.exists() and _sources(shared) == [environment.name] else own


def declaring(source: Mapping[str, Any]) -> Path | None:
    """Return the file whose content says which packages an environment has: its lock where there is one."""
    for option in ("lock", "explicit"):
        if source.get(option):
            return Path(str(source[option]))
    if not source.get("environment"):
        return None
    written = Path(str(source["environment"]))
    lock = lock_beside(written)
    return lock if lock.exists() else written


def explicit_beside(lock: Path, platform: str) -> Path:
    """Return where the explicit file of a platform is, beside a lock."""
    return lock.with_name(f"{lock.name.removesuffix(LOCK)}conda-{platform}.lock")


def lock_env(environment: Path) -> str:
    """Return what to set ``lock_env`` to, for lock.yml to lock an environment file."""
    parts = environment.parts[-2:-1] if environment.name in STANDARD else environment.parts[-2:]
    return "/".join(parts)


def _none(directory: Path, name: str, variable: str) -> EvenkeelError:
    known = [path.relative_to(directory).as_posix() for path in all_below(directory)]
    if not known:
        return EvenkeelError(
            f"There is no environment file in {directory} or its folders",
            f"Write {directory / (name or 'NAME') / STANDARD[0]}, or set {VARIABLE} to another directory",
        )
    return EvenkeelError(
        f"There is no environment file {directory / name}, and no such folder with one",
        f"Set {variable} to a folder or a file that is there ({_listed(known)}), or {VARIABLE} to another directory",
    )


def _has_dependencies(path: Path) -> bool:
    try:
        return bool(_DEPENDENCIES.search(read_text(path, errors="replace")))
    except EvenkeelError:
        return False


def _paths(inventories: Iterable[str]) -> Iterator[Path]:
    for source in inventories:
        if "," not in source and (path := Path(source).absolute()).exists():
            yield path


def _above(source: Path) -> Iterator[Path]:
    """Return the folders from an inventory up to the one of its repository or the topmost."""
    for folder in (source, *source.parents) if source.is_dir() else source.parents:
        yield folder
        if (folder / ".git").exists():
            return


def _is_home(folder: Path, source: Path) -> bool:
    # Many keep their inventories in folders of this name.
    return (folder / FOLDER).is_dir() and not source.is_relative_to(folder / FOLDER)


def _named(directory: Path, name: str, working: Path) -> list[Path]:
    for path in (directory / name, working / name):
        if path.is_file():
            return [path]
        if found := environments_in(path) or _by_name(path.parent, path.name):
            return found
        if path.suffix in SUFFIXES and os.path.lexists(path):
            return [path]  # reading it says what it is
    return []


def _by_name(directory: Path, name: str) -> list[Path]:
    return [path for suffix in SUFFIXES if (path := directory / f"{name}{suffix}").is_file()]


def _sources(lock: Path) -> list[Any]:
    metadata = read_mapping(lock).get("metadata")
    return list((metadata.get("sources") if isinstance(metadata, Mapping) else None) or [])


def _listed(names: Iterable[object]) -> str:
    return ", ".join(map(str, names))
