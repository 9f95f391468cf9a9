# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module image_layers: a machine's distribution and environments as layers of a container image."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import environment, generation
from ansible_collections.evenkeel.gpu.plugins.module_utils._image import account, bytecode, inventory, neutral, secrets
from ansible_collections.evenkeel.gpu.plugins.module_utils._image.layer import Contents, Text, described, write
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import make_directories

ARGUMENT_SPEC: dict[str, Any] = {
    "environments": {"type": "list", "elements": "str", "required": True},
    "root": {"type": "path", "default": "/opt/evenkeel"},
    "distribution": {"type": "path", "default": "/opt/miniconda3"},
    "files": {"type": "list", "elements": "path", "default": []},
    "user": {"type": "str", "required": True},
    "uid": {"type": "int", "required": True},
    "home": {"type": "path", "required": True},
    "made": {"type": "int", "required": True},
    "folder": {"type": "path", "required": True},
}
_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
#: A home that others of the user's group may use, too.
_HOME = 0o770
_PASSWD, _GROUP = "/etc/passwd", "/etc/group"


def read(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Write the layers, and return them with what they contain."""
    _require_user(params)
    users = _users(params)
    secrets.require_none(params["files"])
    found = {name: _generation(params["root"], name) for name in params["environments"]}
    result: dict[str, Any] = {
        "environments": [inventory.of_generation(name, one) for name, one in found.items()],
        "base": _base(os.path.realpath(params["distribution"])),
        "layers": [],
    }
    if check_mode:
        return result
    make_directories(params["folder"], 0o700)
    for name, contents in _layers(params, found, users).items():
        path = os.path.join(params["folder"], "%s.tar" % name)
        try:
            with open(path, "wb") as stream:
                sha256 = write(stream, contents, params["made"])
        except OSError as error:
            raise from_os(error, params["folder"]) from error
        result["layers"].append(described(name, path, sha256))
    return result


def _users(params: Mapping[str, Any]) -> dict[str, str]:
    """Return the files that name users and groups, with the image's user, by their path."""
    with open(_PASSWD, encoding="utf-8") as passwd, open(_GROUP, encoding="utf-8") as group:
        texts = account.with_user(passwd.read(), group.read(), params["user"], params["uid"], params["home"])
    return dict(zip((_PASSWD, _GROUP), texts))


def _layers(
    params: Mapping[str, Any], found: Mapping[str, generation.Generation], users: Mapping[str, str]
) -> dict[str, Contents]:
    made = params["made"]
    home = os.path.realpath(params["distribution"])
    layers = {
        "conda": Contents(
            trees=(params["distribution"], home),
            without=frozenset({os.path.join(home, "pkgs"), *bytecode.unrecorded(home)}),
            texts={**_texts(neutral.distribution(home, made)), **_compiled(home)},
        )
    }
    for name, one in found.items():
        layers["environment-%s" % name] = Contents(
            trees=(environment.link_of(params["root"], name), one.path),
            texts=_texts(neutral.environment(one.path, made)),
        )
    layers["system"] = Contents(
        trees=tuple(params["files"]),
        texts=_texts(users),
        directories={params["home"]: (_HOME, (params["uid"], params["uid"]))},
    )
    return layers


def _texts(texts: Mapping[str, str]) -> dict[str, Text]:
    return {path: Text(text.encode()) for path, text in texts.items()}


def _compiled(home: str) -> dict[str, Text]:
    return {path: Text(content) for path, content in bytecode.compiled(home).items()}


def _generation(root: str, name: str) -> generation.Generation:
    path = os.path.realpath(environment.link_of(root, name))
    found = generation.read(path)
    if found is None:
        raise EvenkeelError(
            "There is no environment %s in %s" % (name, root), "Build it first, with the role conda_environments"
        )
    return found


def _base(home: str) -> list[dict[str, Any]]:
    """Return the packages of the distribution's own environment."""
    packages = generation.installed(home)
    return inventory.with_licences(home, packages) if packages else []


def _require_user(params: Mapping[str, Any]) -> None:
    if not _NAME.fullmatch(params["user"]):
        raise EvenkeelError(
            "user (image_user of the playbook) is %r" % params["user"], "Use small letters, digits, '_' and '-'"
        )
    if not 0 < params["uid"] < 2**31:
        raise EvenkeelError(
            "uid (image_uid of the playbook) is %d, and the user must not be root" % params["uid"], "Set another"
        )
