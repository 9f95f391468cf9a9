# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module bundle_install: the site copy of a bundle on a mirror, of what the action brings in portions."""

from __future__ import annotations

import contextlib
import os
import tarfile
from dataclasses import replace
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import filling
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import manifest as manifests
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle.control import GIT, OWN
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle.manifest import Bundle
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import disk_space
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import make_directories, require_normalised
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import manifest as copies
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.manifest import Manifest
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.store import Store, bytes_of

ARGUMENT_SPEC: dict[str, Any] = {
    "bundle": {"type": "path", "required": True},
    "directory": {"type": "path", "required": True},
    "signers": {"type": "path"},
    "fingerprint": {"type": "str"},
    "unsigned": {"type": "bool", "default": False},
    "git": {"type": "bool", "default": False},
    "allow_older": {"type": "bool", "default": False},
    "keep": {"type": "int", "default": 2},
    "lock_timeout": {"type": "int", "default": 300},
}
#: Of the node: a folder with the bundle's description and its copy's manifest, and a tar with files of the store.
FROM_ACTION: dict[str, Any] = {
    "described": {"type": "path", "required": True},
    "portion": {"type": "path"},
}
#: Their names.
BUNDLE, COPY, PORTION = "bundle.json", "copy.json", "portion.tar"
_REMEDY = "Free some space there, or keep fewer copies"


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Take what was brought; return the hashes of what else is to be brought, or put the copy to use."""
    require_normalised("directory", params["directory"])
    if params["keep"] < 1:
        raise EvenkeelError("keep is %d" % params["keep"], "Set it to 1 or more")
    bundle, wanted = _described(params["described"], params["git"])
    with contextlib.ExitStack() as stack:
        store = Store(params["directory"])
        if not check_mode:
            _make(store.root)
            stack.enter_context(held(store.lock, params["lock_timeout"]))
        current = store.current()
        if not params["allow_older"]:
            filling.require_newer(current, wanted, bundle, "set bundle_install_allow_older: true")
        if params["portion"]:
            _take(store, params["portion"], {one.sha256 for one in wanted.files})
        lacking = filling.to_bring(store, wanted.files, bundle)
        disk_space.require_free({store.root: bytes_of(lacking)}, bundle.title, _REMEDY)
        changed = bool(lacking) or current is None or current.id != wanted.id
        result = {
            "changed": changed,
            "id": wanted.id,
            "files": len(wanted.files),
            "to_bring": [one.sha256 for one in lacking],
            "diff": [_difference(store.root, current, wanted)],
        }
        if not lacking and not check_mode:
            store.switch(wanted)
            result["restored"] = store.relink(wanted)
            result["removed"] = store.prune(params["keep"])
            result["changed"] = bool(changed or result["restored"] or result["removed"])
        return result


def _described(folder: str, with_git: bool) -> tuple[Bundle, Manifest]:
    """Return the bundle, and what a mirror has of its copy: packages, and where it is to, the site's commits."""
    with open(os.path.join(folder, BUNDLE), "rb") as stream:
        bundle = manifests.parse(stream.read(), manifests.NAME)
    with open(os.path.join(folder, COPY), "rb") as stream:
        text = stream.read().decode("utf-8", "replace")
    if copies.identity(text) != bundle.copy:
        raise EvenkeelError("%s was brought with the manifest of another copy" % bundle.title, "Run again")
    copy = copies.parse(text, bundle.of_copy)
    left = (OWN,) if with_git else (OWN, GIT)
    return bundle, replace(copy, files=tuple(one for one in copy.files if not one.path.startswith(left)))


def _make(root: str) -> None:
    try:
        make_directories(root)
    except OSError as error:
        raise from_os(error, root) from error


def _take(store: Store, portion: str, wanted: set[str]) -> None:
    with tarfile.open(portion, "r:") as tar:
        for member in tar:
            stream = tar.extractfile(member) if member.name in wanted else None
            if stream:
                with stream:
                    filling.keep(store, member.name, stream, member.name)
    os.unlink(portion)


def _difference(root: str, before: Manifest | None, after: Manifest) -> dict[str, str]:
    header = "the copy in %s" % root
    return {"before_header": header, "after_header": header, "before": _lines(before), "after": _lines(after)}


def _lines(one: Manifest | None) -> str:
    return "".join("%s %d\n" % (file.path, file.size) for file in one.files) if one else ""
