# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module site_copy: exactly the files that a site needs, in a folder that a server or a bundle takes them from."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import disk_space, remains, work_folder
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, carrying, from_os
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import (
    make_directories,
    require_normalised,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import fetching, manifest, package_sets, wants
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.fetching import Damaged, Missing, Network, Wanted
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.manifest import File, Manifest
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.resolve import Resolved, resolve
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.sources import Sources
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.store import Store

ARGUMENT_SPEC: dict[str, Any] = {
    "directory": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "wants": {"type": "dict", "options": wants.OPTIONS},
    "upstreams": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "str", "required": True},
            "url": {"type": "str", "required": True},
            "pages": {"type": "bool", "default": False},
            "links": {"type": "dict", "default": {}},
        },
    },
    "keep": {"type": "int", "default": 2},
    "verify": {"type": "bool", "default": False},
    "connections": {"type": "int", "default": 8},
    "timeout": {"type": "int", "default": 60},
    "retries": {"type": "int", "default": 3},
    "ca_path": {"type": "path"},
    "lock_timeout": {"type": "int", "default": 300},
}
RULES: dict[str, Any] = {"required_if": [("state", "present", ("wants",))]}
#: Of the collection on the control node.
FROM_ACTION: dict[str, Any] = {
    "version": {"type": "str", "default": ""},
    "commit": {"type": "str", "default": ""},
}
#: What numbers may be.
_LEAST = {"keep": 1, "connections": 1, "timeout": 1, "retries": 0}
_KEEP = "package_mirror_copy_keep of the role, bundle_keep of the playbook"
_REMEDY = "Free some space there, keep fewer copies (%s), or ask for less" % _KEEP


@dataclass(frozen=True)
class Plan:
    """How a copy comes about.

    Parameters
    ----------
    complete
        Files that are there.
    lacking
        What is fetched.
    texts
        By path, what is made here.
    """

    complete: tuple[File, ...]
    lacking: tuple[Wanted, ...]
    texts: Mapping[str, str]

    @property
    def size(self) -> int:
        """How many bytes come, as far as sizes are known."""
        return sum({fetching.partial_name(one): one.size for one in self.lacking}.values())


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring the folder to the declared state, or return what that would change."""
    require_normalised("directory", params["directory"])
    if params["state"] == "absent":
        return remove(params["directory"], params["lock_timeout"], check_mode)
    return keep(params, check_mode)


def remove(root: str, lock_timeout: int, check_mode: bool) -> dict[str, Any]:
    """Have no copy, and nothing that was fetched for one."""
    store = Store(root)
    paths = [*store.contents(), *filter(os.path.lexists, [store.lock])]
    files = {(found.st_dev, found.st_ino): found.st_size for found in map(os.lstat, paths)}
    what = "The copy in %s, of %d MiB" % (root, disk_space.mib(sum(files.values())))
    if not check_mode:
        if paths:
            with held(store.lock, lock_timeout):
                store.clear()
                os.unlink(store.lock)
        remains.prune(os.path.dirname(store.lock))
        remains.prune_own(root)
    return {
        "changed": bool(paths),
        "diff": [{"before": "%s\n" % what if paths else "", "after": ""}],
        "left": remains.left(root, set(paths)),
        "warnings": ["%s, goes" % what] if paths and check_mode else [],
    }


def keep(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Have a copy of what is wanted in use, or return what that would change."""
    root = params["directory"]
    _check(params)
    upstreams = wants.Upstreams(params["upstreams"])
    request = wants.parse(params["wants"], upstreams)
    network = Network(params["timeout"], params["retries"], params["connections"], params["ca_path"])
    with contextlib.ExitStack() as stack:
        if check_mode:
            store = stack.enter_context(_passing(root))
        else:
            _make(root)
            store = Store(root)
            stack.enter_context(held(store.lock, params["lock_timeout"]))
        former = Store(root).current()
        damaged = Store(root).damaged(former.files) if former and params["verify"] else []
        if not check_mode:
            for sha256 in {one.sha256 for one in damaged}:
                store.remove(sha256)
        sources = Sources(upstreams, store, network, former, {one.path: one for one in request.files})
        before: tuple[Sequence[File], EvenkeelError] | None = None
        for left in range(package_sets.TRIES - 1, -1, -1):
            resolved = resolve(request, sources)
            if before and resolved.files == before[0]:
                raise before[1]
            with carrying(resolved.warnings):
                plan = plan_of(resolved, former, store)
                disk_space.require_free({root: plan.size}, "The copy", _REMEDY)
                if check_mode:
                    return _rehearsed(plan, former, damaged, resolved, params, root)
                try:
                    fetched = fetching.fetch_all(plan.lacking, store, network)
                except (Damaged, Missing) as error:  # of lists that the upstream has replaced meanwhile
                    if not left:
                        raise
                    before = (resolved.files, error)
                    continue
                return _applied(plan, fetched, former, damaged, resolved, params, store)
        raise AssertionError("the last try returns or raises")


def _check(params: Mapping[str, Any]) -> None:
    for name, least in _LEAST.items():
        if params[name] < least:
            by = " (%s)" % _KEEP if name == "keep" else ""
            raise EvenkeelError("%s is %d" % (name, params[name]), "Set it%s to %d or more" % (by, least))
    if not any(params["wants"].values()):
        raise EvenkeelError(
            "There is nothing to copy",
            "Name locks, drivers or other packages (package_mirror_copy of the role, bundle_copy of the playbook)",
        )


def _make(root: str) -> None:
    try:
        make_directories(root)
    except OSError as error:
        raise from_os(error, root) from error


@contextlib.contextmanager
def _passing(root: str) -> Iterator[Store]:
    """A store for the indexes that a rehearsal reads, which goes with it."""
    with work_folder.made("copy") as folder:
        yield Store(folder, behind=Store(root))


def plan_of(resolved: Resolved, former: Manifest | None, store: Store) -> Plan:
    """Return what is there, and what has to come."""
    known = {one.path: one for one in former.files} if former else {}
    _require_one_content(resolved.wanted)
    complete, lacking = list(resolved.files), []
    for one in resolved.wanted:
        found = _there(one, known.get(one.path), store)
        if found:
            complete.append(found)
        else:
            lacking.append(one)
    return Plan(tuple(complete), tuple(lacking), resolved.texts)


def _require_one_content(wanted: Sequence[Wanted]) -> None:
    by_path: dict[str, Wanted] = {}
    for one in wanted:
        other = by_path.setdefault(one.path, one)
        if (other.algorithm, other.digest) != (one.algorithm, one.digest):
            raise EvenkeelError(
                "%s is to be two files, with the hashes %s and %s" % (one.path, other.digest, one.digest),
                "Take one of the locks or repositories out that name it; nothing was fetched",
            )


def _there(wanted: Wanted, former: File | None, store: Store) -> File | None:
    """Return the file of the store that is the wanted one; one of the former copy goes on saying where it came from."""
    sha256 = wanted.sha256 or (former.sha256 if former else "")
    path = store.find(sha256, wanted.size) if sha256 else ""
    if not path or (not wanted.sha256 and _digest(path, wanted.algorithm) != wanted.digest):
        return None
    if former and former.sha256 == sha256:
        return former
    return File(wanted.path, os.path.getsize(path), sha256, fetching.shown(wanted.url))


def _digest(path: str, algorithm: str) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as stream:
        for part in iter(lambda: stream.read(1 << 20), b""):
            digest.update(part)
    return digest.hexdigest()


def _texts(texts: Mapping[str, str]) -> list[File]:
    found = []
    for path, text in sorted(texts.items()):
        content = text.encode()
        found.append(File(path, len(content), hashlib.sha256(content).hexdigest()))
    return found


def _rehearsed(
    plan: Plan,
    former: Manifest | None,
    damaged: Sequence[File],
    resolved: Resolved,
    params: Mapping[str, Any],
    root: str,
) -> dict[str, Any]:
    coming = [File(one.path, one.size, one.sha256 or "?", fetching.shown(one.url)) for one in plan.lacking]
    expected = manifest.of(params["wants"], [*plan.complete, *coming, *_texts(plan.texts)], {})
    changed = bool(plan.lacking or damaged) or not expected.holds_the_same(former)
    if former and not changed:
        changed = bool(Store(root).relink(former, check_mode=True))
    return _result(changed, expected, former, plan, damaged, resolved, root)


def _applied(
    plan: Plan,
    fetched: Mapping[str, File],
    former: Manifest | None,
    damaged: Sequence[File],
    resolved: Resolved,
    params: Mapping[str, Any],
    store: Store,
) -> dict[str, Any]:
    made = _texts(plan.texts)
    for one in made:
        if not store.find(one.sha256, one.size):
            store.keep_text(one.sha256, plan.texts[one.path])
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    about = {"version": params.get("version", ""), "commit": params.get("commit", ""), "time": now}
    wanted = manifest.of(params["wants"], [*plan.complete, *fetched.values(), *made], about)
    same = former is not None and wanted.holds_the_same(former)
    if same and former is not None:
        wanted = former
    else:
        store.switch(wanted)
    relinked = store.relink(wanted)
    removed = store.prune(params["keep"])
    changed = bool(not same or relinked or removed)
    return {**_result(changed, wanted, former, plan, damaged, resolved, store.root), "removed": removed}


def _result(
    changed: bool,
    wanted: Manifest,
    former: Manifest | None,
    plan: Plan,
    damaged: Sequence[File],
    resolved: Resolved,
    root: str,
) -> dict[str, Any]:
    return {
        "changed": changed,
        "id": wanted.id,
        "directory": root,
        "files": len(wanted.files),
        "size": wanted.size,
        "fetched": {"files": len(plan.lacking), "size": plan.size},
        "damaged": [one.path for one in damaged],
        "notes": list(resolved.notes),
        "warnings": list(resolved.warnings),
        "diff": [
            {
                "before_header": "the copy in %s" % root,
                "after_header": "the copy in %s" % root,
                "before": _lines(former),
                "after": _lines(wanted),
            }
        ],
    }


def _lines(one: Manifest | None) -> str:
    return "".join("%s %d\n" % (file.path, file.size) for file in one.files) if one else ""
