# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a task asks of one of conda's configuration files: checked, and in the spelling of the node's conda."""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.keys import (
    require_release,
    require_settings,
    spelled,
)

NAMES = (".condarc", "condarc")
SUFFIXES = (".yml", ".yaml")
#: Keys whose value names a file of the node; without it, conda stops or cannot speak TLS.
FILES = ("ssl_verify", "verify_ssl", "client_ssl_cert", "client_cert", "client_ssl_cert_key", "client_cert_key")


@dataclass(frozen=True)
class Desired:
    """What the file must contain."""

    #: ``merged``, ``exact`` or ``absent``.
    state: str
    settings: Mapping[str, Any]
    final: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    backup: bool = False


def check(arguments: Mapping[str, Any]) -> None:
    """Refuse options of the module that are wrong whatever the node has."""
    require_release(arguments["conda_version"])
    require_settings(arguments["settings"], arguments["allow_unknown"])
    if arguments["path"]:
        require_path(arguments["path"])
    if arguments["settings"].get("channels") == []:
        raise EvenkeelError("channels is empty, and conda has had no default since version 25.9", "Name at least one")
    if arguments["state"] == "absent" and arguments["settings"]:
        raise EvenkeelError("settings are given, and state is absent", "Leave them out, or choose merged")
    if arguments["remove"] and arguments["state"] != "merged":
        raise EvenkeelError(
            f"remove is given with the state {arguments['state']}", "Leave it out; it is for the state merged"
        )
    for option in ("final", "remove"):
        wrong = [name for name in arguments[option] if (name in arguments["settings"]) != (option == "final")]
        if wrong and option == "final":
            raise EvenkeelError(
                f"final names {', '.join(wrong)}, which settings does not have",
                "Add it to settings, or remove it from final",
            )
        if wrong:
            raise EvenkeelError(
                f"remove names {', '.join(wrong)}, which settings has too", "Remove it from settings or from remove"
            )


def require_path(path: str) -> None:
    """Refuse a name that conda does not read, before any node is asked."""
    name = os.path.basename(path)
    if os.path.normpath("/" + path.lstrip("/")) != path or not (name in NAMES or name.endswith(SUFFIXES)):
        raise EvenkeelError(
            f"path is {path!r}; conda reads only files named .condarc, condarc, *.yml or *.yaml",
            "Write an absolute path without .. or // that ends in one of these",
        )


def needed_files(settings: Mapping[str, Any]) -> list[str]:
    """Return the files of the node that settings name."""
    values = [settings[name] for name in FILES if isinstance(settings.get(name), str)]
    return [value for value in values if value not in ("", "truststore") and not value.startswith(("$", "~"))]


def desired(arguments: Mapping[str, Any], conda: str) -> Desired:
    """Return what the file must contain for the node's conda."""
    allowed = tuple(arguments["allow_unknown"])
    settings = spelled(arguments["settings"], conda, allowed)
    given = dict(zip(arguments["settings"], settings, strict=True))
    return Desired(
        state=arguments["state"],
        settings=settings,
        final=tuple(given[name] for name in arguments["final"]),
        remove=tuple(arguments["remove"]),
        allowed=allowed,
        backup=arguments["backup"],
    )
