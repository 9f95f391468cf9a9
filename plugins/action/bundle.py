# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible action: pack what a site without a network needs."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import constants
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import signature
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.platform import PLATFORMS
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.store import Store
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bundle import packing, parts
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._bundle.repository import Repository
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Action, Call, Steps
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.own_version import own_version
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.report_files import make_folder, require_writable
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.control_wheels import Machine

ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "wants": {"type": "dict", "required": True},
    "upstreams": {"type": "list", "elements": "dict", "default": []},
    "ca_path": {"type": "path"},
    "store": {"type": "path", "required": True},
    "keep": {"type": "int", "default": 3},
    "repository": {"type": "path", "required": True},
    "pythons": {"type": "list", "elements": "str", "default": []},
    "platforms": {"type": "list", "elements": "str", "choices": list(PLATFORMS.values()), "default": ["linux-64"]},
    "wheels": {"type": "path"},
    "directory": {"type": "path", "required": True},
    "tar": {"type": "bool", "default": False},
    "follows": {"type": "str", "default": ""},
    "key": {"type": "path", "no_log": False},
    "unsigned": {"type": "bool", "default": False},
}

Arguments = Mapping[str, Any]


class ActionModule(Action):
    """Everything is on the control node; packages come by the module ``site_copy``."""

    def steps(self, task_vars: dict[str, Any]) -> Steps:
        _unused, arguments = self.validate_argument_spec(ARGUMENT_SPEC)
        target, store = Path(arguments["directory"]).absolute(), Store(str(Path(arguments["store"]).absolute()))
        _require_key(arguments)
        require_writable(target, "bundle_directory", "bundle")
        require_writable(Path(store.root), "bundle_store", "copy")
        commit = Repository(Path(arguments["repository"]).absolute()).commit()
        former = packing.former_of(arguments["follows"], store) if arguments["follows"] else None
        if arguments["key"]:
            signature.sign(b"", arguments["key"])  # before anything is fetched
        about = {"version": own_version(), "commit": commit}
        if self._task.check_mode:
            with tempfile.TemporaryDirectory() as work:
                made = parts.draft(Path(store.root, "parts"), Path(work, "parts"))
                result = yield Call("site_copy", _of_copy(arguments, store, commit, made), about)
                return result
        with held(str(Path(store.root, "locks", "bundle")), 0):
            copied = yield Call("site_copy", _of_copy(arguments, store, commit, Path(store.root, "parts")), about)
            if copied.get("failed"):
                return copied
            copy = store.read(copied["id"])
            if copy is None:
                raise EvenkeelError(f"{store.root} has no copy {copied['id']} any more", "Run again")
            packed = packing.pack(store, copy, former, commit, arguments["key"] or "")
            make_folder(target)
            place, new = packing.write(packed, target, as_tar=arguments["tar"])
        return {
            "changed": bool(copied["changed"] or new),
            "bundle": str(place),
            "id": copy.id,
            "files": len(packed.bundle.files),
            "size": packed.size,
            "notes": copied["notes"],
            "diff": copied.get("diff", []),
        }


def _of_copy(arguments: Arguments, store: Store, commit: str, work: Path) -> dict[str, Any]:
    """Return the options of the module ``site_copy``, once the parts that are no packages are made."""
    own = parts.files(
        Repository(Path(arguments["repository"]).absolute()),
        commit,
        parts.machines(arguments["pythons"], Machine("%d.%d" % sys.version_info[:2], os.uname().machine)),
        arguments["platforms"],
        work,
        wheels=Path(arguments["wheels"]).absolute() if arguments["wheels"] else None,
        run_directory=Path(constants.DEFAULT_LOCAL_TMP),
    )
    wants = {**arguments["wants"], "files": [*arguments["wants"].get("files", ()), *own]}
    certificates = {"ca_path": arguments["ca_path"]} if arguments["ca_path"] else {}
    given = {name: arguments[name] for name in ("upstreams", "keep")}
    return {"directory": store.root, "wants": wants, **given, **certificates}


def _require_key(arguments: Arguments) -> None:
    key = arguments["key"]
    if bool(key) == arguments["unsigned"]:
        raise EvenkeelError(
            "Both bundle_key and bundle_unsigned are set" if key else "The bundle would have no signature",
            "Name an SSH key to sign with by bundle_key; or set bundle_unsigned: true, and no key",
        )
    if key and not Path(key).is_file():
        raise EvenkeelError(f"bundle_key names {key}, and there is no such file", "Name a file that has an SSH key")
