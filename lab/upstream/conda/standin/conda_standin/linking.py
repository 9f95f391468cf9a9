# SPDX-License-Identifier: GPL-3.0-or-later
"""Change an environment: what goes, what comes, and how it is written down."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import rattler
from rattler.exceptions import InstallerError
from rattler.install import InstallerReporter

from .environments import Environment, spec_name
from .errors import CondaError, NoSpaceLeftError
from .package_cache import PackageCache
from .records import Record, dist_fields, dist_string, fetch_fields, in_order, installed, stem

IDENTITY = ("name", "version", "build", "subdir")
ENTRY_POINT = "unix_python_entry_point"


class HistoryLast:
    """Takes away the empty history that py-rattler begins with: conda writes it last."""

    def __init__(self, history: Path) -> None:
        self.history = history

    def on_transaction_start(self, total_operations: int) -> None:
        """Forget the empty file."""
        if self.history.is_file() and not self.history.stat().st_size:
            self.history.unlink()


@dataclass(frozen=True)
class Change:
    """The way of an environment from what is installed to what is wanted."""

    environment: Environment
    wanted: Mapping[str, rattler.RepoDataRecord]
    unlink: Sequence[Record]
    link: Sequence[Record]
    fetch: Sequence[Record]

    def actions(self) -> dict[str, Any]:
        """Return the ``actions`` of a JSON answer."""
        channels = self.environment.settings.channels
        shown: dict[str, Any] = {
            "FETCH": [fetch_fields(record) for record in self.fetch],
            "PREFIX": str(self.environment.prefix),
        }
        if self.unlink:
            shown["UNLINK"] = [dist_fields(record, channels) for record in reversed(self.unlink)]
        if self.link:
            shown["LINK"] = [dist_fields(record, channels) for record in self.link]
        return shown


def plan(environment: Environment, wanted: Sequence[rattler.RepoDataRecord], cache: PackageCache) -> Change:
    """Compare what is installed with what is wanted."""
    before = {record["name"]: record for record in installed(environment.prefix)}
    after = {record["name"]: record for record in map(as_record, wanted)}
    another_python = "python" in before and "python" in after and _minor(before) != _minor(after)

    def stays(name: str) -> bool:
        one, other = before.get(name), after.get(name)
        if not one or not other or (another_python and one.get("noarch") == "python"):
            return False
        return all(one[field] == other[field] for field in IDENTITY)

    link = in_order(record for name, record in after.items() if not stays(name))
    return Change(
        environment,
        {record.name.normalized: record for record in wanted},
        unlink=in_order(record for name, record in before.items() if not stays(name)),
        link=link,
        fetch=[record for record in link if not cache.holds(record)],
    )


async def apply(change: Change, cache: PackageCache, update: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
    """Carry out ``change`` on an environment whose missing packages are in ``cache``, the history last."""
    environment = change.environment
    before = installed(environment.prefix)
    for record in change.unlink:
        unlink(environment.prefix, record)
    specs = environment.requested_specs() | {spec_name(spec): spec for spec in update}
    if change.link:
        await _link(change, cache)
        for record in change.link:
            source = cache.extracted(record)
            cache.remember(record)
            rewrite(environment.prefix, record, source, cache.archive(record), specs.get(record["name"]))
    channels = environment.settings.channels
    old = {dist_string(record, channels) for record in before}
    new = {dist_string(record, channels) for record in installed(environment.prefix)}
    environment.write_history(old - new, new - old, update=update, remove=remove)
    environment.register()


async def _link(change: Change, cache: PackageCache) -> None:
    prefix = change.environment.prefix
    kept = [rattler.PrefixRecord.from_path(path) for path in sorted((prefix / "conda-meta").glob("*.json"))]
    records: list[rattler.RepoDataRecord] = list(kept)
    for record in change.link:
        local = change.wanted[record["name"]]
        local.url = cache.archive(record).as_uri()
        records.append(local)
    try:
        await rattler.install(
            records,
            target_prefix=prefix,
            cache_dir=cache.folder,
            installed_packages=kept,
            execute_link_scripts=True,
            show_progress=False,
            reporter=cast(InstallerReporter, HistoryLast(change.environment.history)),
        )
    except InstallerError as error:
        if "os error 28" in str(error):
            raise NoSpaceLeftError(str(error)) from error
        raise CondaError(str(error)) from error
    (prefix / "CACHEDIR.TAG").unlink(missing_ok=True)


def unlink(prefix: Path, record: Record) -> None:
    """Remove the files of one package, the folders that it leaves empty, and its record."""
    folders = set()
    for name in record.get("files", ()):
        path = prefix / name
        path.unlink(missing_ok=True)
        folders |= set(path.parents) - set(prefix.parents) - {prefix}
    for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        if folder.name == "site-packages" or not folder.is_dir():
            continue
        shutil.rmtree(folder / "__pycache__", ignore_errors=True)
        if not any(folder.iterdir()):
            folder.rmdir()
    (prefix / "conda-meta" / f"{stem(record)}.json").unlink(missing_ok=True)


def rewrite(prefix: Path, record: Record, source: Path, archive: Path, spec: str | None) -> None:
    """Turn the record that py-rattler wrote into the one that conda writes."""
    file = prefix / "conda-meta" / f"{stem(record)}.json"
    written: Record = json.loads(file.read_text())
    for entry in written["paths_data"]["paths"]:
        if entry["path_type"] == ENTRY_POINT:
            (prefix / entry["_path"]).chmod(0o755)  # py-rattler lets the group write
    paths = [_as_conda_writes(entry, record.get("noarch") == "python") for entry in written["paths_data"]["paths"]]
    complete = {
        **written,
        "channel": record["url"].rpartition("/")[0],
        "constrains": record.get("constrains") or [],
        "url": record["url"],
        "package_tarball_full_path": str(archive),
        "extracted_package_dir": str(source),
        "files": written["files"],
        "paths_data": {"paths_version": 1, "paths": paths},
        "link": {"source": str(source), "type": 1},
        "requested_specs": [spec] if spec else [],
    }
    complete.pop("indexed_timestamp", None)
    if record.get("noarch") == "python":
        complete["package_type"] = "noarch_python"
    if spec:
        complete["requested_spec"] = spec
    file.unlink()
    file.write_text(json.dumps(complete, indent=1))


def as_record(record: rattler.RepoDataRecord) -> Record:
    """Return a solved package as a dictionary."""
    loaded: Record = json.loads(record.to_json())
    return loaded


def _as_conda_writes(entry: dict[str, Any], noarch_python: bool) -> dict[str, Any]:
    shown = dict(entry)
    if shown["path_type"] == "hardlink":
        shown.setdefault("sha256_in_prefix", shown["sha256"])
    if shown["path_type"] == "softlink":
        shown.pop("sha256_in_prefix", None)
    if noarch_python and shown["path_type"] != ENTRY_POINT:
        _, found, rest = shown["_path"].partition("/site-packages/")
        if found:
            shown["_path"] = f"site-packages/{rest}"
    return shown


def _minor(records: Mapping[str, Record]) -> list[str]:
    return str(records["python"]["version"]).split(".")[:2]
