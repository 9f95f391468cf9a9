# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module package_mirror: nginx that serves packages of upstreams to a site, and keeps them."""

from __future__ import annotations

import http.client
import os
import pwd
import socket
import ssl
import sys
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import (
    command,
    kept_files,
    nginx,
    tls_files,
    units,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import make_directories
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Change, Kept
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge as package_set
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Request, Wanted
from ansible_collections.evenkeel.gpu.plugins.module_utils._package_mirror import (
    keeper_files,
    nginx_config,
    nginx_copy,
    removal,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._package_mirror import site as sites
from ansible_collections.evenkeel.gpu.plugins.module_utils._package_mirror.site import Site

FILE = "evenkeel-package-mirror.conf"
RESOLV_CONF = "/etc/resolv.conf"
#: As nginx's packages call the user of its workers.
WORKERS = ("www-data", "nginx")
_ANSWER_SECONDS = 5.0

ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "upstreams": {
        "type": "list",
        "elements": "dict",
        "options": {
            "path": {"type": "str", "required": True},
            "url": {"type": "str", "required": True},
            "pages": {"type": "bool", "default": False},
            "links": {"type": "dict", "default": {}},
        },
    },
    "addresses": {"type": "list", "elements": "str", "default": ["0.0.0.0"]},  # noqa: S104
    "port": {"type": "int", "default": 8008},
    "inner_port": {"type": "int", "default": 8009},
    "certificate": {"type": "path"},
    "key": {"type": "path", "no_log": False},
    "allow": {"type": "list", "elements": "str", "default": []},
    "users": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "hash": {"type": "str", "required": True, "no_log": True},
        },
    },
    "redirects": {"type": "list", "elements": "str", "default": []},
    "resolvers": {"type": "list", "elements": "str", "default": []},
    "ca_bundle": {"type": "path", "default": "/etc/ssl/certs/ca-certificates.crt"},
    "copy": {"type": "path"},
    "cache": {"type": "path", "default": "/var/cache/evenkeel/package_mirror"},
    "size": {"type": "int", "default": 200},
    "min_free": {"type": "int", "default": 5},
    "keep_days": {"type": "int", "default": 365},
    "metrics": {"type": "path", "default": keeper_files.STATE},
    "lock_timeout": {"type": "int", "default": 300},
}


RULES: dict[str, Any] = {"required_if": [("state", "present", ("upstreams",))]}


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring the node to the declared state, or return what that would change."""
    if params["state"] == "absent":
        return removal.remove(FILE, params["cache"], lock_timeout=params["lock_timeout"], check_mode=check_mode)
    return serve(params, check_mode)


def serve(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Have nginx serve what the options say, and keep it."""
    site = desired(params)
    sites.check(site)
    if params["min_free"] < 0:
        raise EvenkeelError(
            "min_free is %d" % params["min_free"], "Set it (package_mirror_min_free of the role) to 0 or more"
        )
    passwords = sites.passwords(params["users"])
    certificate = certificate_of(site, check_mode=check_mode)
    if not site.copy:
        nginx.require_selinux_allows("the mirror's upstreams")

    names = ["nginx", *(["ca-certificates"] if site.verifies else [])]
    wanted = package_set.Job(
        "package_mirror", Request(wanted=tuple(map(Wanted, names))), lock_timeout=params["lock_timeout"]
    )
    outcome = package_set.converge(wanted, check_mode=check_mode)
    health = nginx_config.digest(site, certificate, passwords)
    text = nginx_config.render(site, health)
    changes = file_changes(site, params, passwords)
    of_nginx = kept_files.changes({nginx.path(FILE): text})
    if not check_mode:
        make_folders(site.folder)
        kept_files.apply_all(changes)
    if nginx.is_there() and may_try(site, check_mode=check_mode):
        nginx.try_out(FILE, text)
    if not check_mode:
        kept_files.apply_all(of_nginx)
    reloaded = nginx.serve(
        FILE,
        lambda: serves(site, health, certificate),
        by="package_mirror",
        changed=bool(of_nginx) or any(change.path == nginx_config.PASSWORDS for change in changes),
        check_mode=check_mode,
    )
    timed = keep(changes, check_mode=check_mode)
    return {
        "changed": bool(outcome.changed or changes or of_nginx or reloaded or timed),
        "packages": list(map(str, outcome.plan.steps)),
        "reloaded": reloaded,
        "unknown": list(outcome.unknown),
        "warnings": [] if check_mode else lacks_copy(site),
        "diff": [*outcome.diffs(), *(change.diff() for change in [*changes, *of_nginx])],
    }


def desired(params: dict[str, Any]) -> Site:
    """Return what the options ask for."""
    found = sites.upstreams(params["upstreams"])
    resolvers = params["resolvers"] or sites.name_servers(kept_files.text(RESOLV_CONF) or "")
    needed = sites.named(found) or params["redirects"]
    return Site(
        addresses=tuple(params["addresses"]),
        port=params["port"],
        inner_port=params["inner_port"],
        upstreams=found,
        cache=params["cache"],
        size=params["size"],
        keep_days=params["keep_days"],
        allow=tuple(params["allow"]),
        users=bool(params["users"]),
        certificate=params["certificate"] or "",
        key=params["key"] or "",
        # Without a name server, no other host can be found.
        redirects=tuple(params["redirects"]) if resolvers else (),
        resolvers=tuple(resolvers) if needed else (),
        ca_bundle=params["ca_bundle"],
        copy=params["copy"] or "",
    )


def certificate_of(site: Site, *, check_mode: bool) -> str:
    """Return the text of the certificate, which in check mode may not be there yet.

    Raises
    ------
    EvenkeelError
        It is not there.
    """
    if not site.certificate:
        return ""
    text = kept_files.text(site.certificate)
    if text is None and not check_mode:
        raise EvenkeelError("There is no certificate %s" % site.certificate, "Put it and its key there first")
    return text or ""


def lacks_copy(site: Site) -> list[str]:
    """Return a warning where a full copy is to be served and is not there."""
    if not site.copy or os.path.isdir(os.path.join(site.copy, nginx_copy.TREE)):
        return []
    return [
        "There is no copy in %s, so the mirror has nothing. List what it is to hold (package_mirror_copy of the role), "
        "or install a bundle" % site.copy
    ]


def may_try(site: Site, *, check_mode: bool) -> bool:
    """Whether nginx can be asked about the configuration: in check mode, files that it names may be missing."""
    if not check_mode:
        return True
    named = [] if site.copy else [os.path.dirname(site.cache), *([site.ca_bundle] if site.verifies else [])]
    return all(map(os.path.exists, named)) and (
        not site.certificate or tls_files.belong_together(site.certificate, site.key)
    )


def file_changes(site: Site, params: dict[str, Any], passwords: str) -> list[Change]:
    """Return what changes in files other than nginx's configuration."""
    least = params["min_free"] << 30
    files = keeper_files.files(site.folder, least, params["metrics"], os.path.realpath(sys.executable))
    wanted: dict[str, Kept | None] = {path: Kept(text, mode) for path, (text, mode) in files.items()}
    wanted[nginx_config.PASSWORDS] = Kept(passwords, 0o640, gid=_workers()) if passwords else None
    found = kept_files.plan({path: kept_files.read(path) for path in wanted}, wanted, secrets=[nginx_config.PASSWORDS])
    kept_files.require_ours(found)
    return found


def _workers() -> int:
    """Return the group of nginx's workers, who read passwords; root's before nginx is there."""
    return next((user.pw_gid for user in pwd.getpwall() if user.pw_name in WORKERS), 0)


def make_folders(served: str) -> None:
    """Have the folder above what is served, and the one for the program's state; nginx makes a cache itself."""
    try:
        make_directories(os.path.dirname(served))
        make_directories(keeper_files.STATE)
    except OSError as error:
        raise from_os(error, os.path.dirname(served)) from error


def serves(site: Site, health: str, certificate: str) -> bool:
    """Whether a server shows what the files say."""
    address, port = nginx_config.to_connect(site)
    connection = http.client.HTTPConnection(address, port, timeout=_ANSWER_SECONDS)
    try:
        if site.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE  # it is compared with the one that should be there
            channel = socket.create_connection((address, port), _ANSWER_SECONDS)
            secured = context.wrap_socket(channel)
            connection.sock = secured
            if secured.getpeercert(binary_form=True) != tls_files.first_of(certificate):
                return False
        connection.request("GET", nginx_config.HEALTH)
        return connection.getresponse().read().decode(errors="replace").strip() == health
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def keep(changes: list[Change], *, check_mode: bool) -> bool:
    """Have systemd know the units, and the timer run, at boot too; return whether the timer did not."""
    timer = units.read([keeper_files.TIMER])[keeper_files.TIMER]
    starts = not (timer.running and timer.enabled)
    if check_mode:
        return starts
    remedy = "See `systemctl status %s`" % keeper_files.TIMER
    changed = [change.path for change in changes if change.path.startswith(keeper_files.UNITS)]
    if changed or timer.unread:
        command.require(["systemctl", "daemon-reload"], remedy)
    if starts:
        command.require(["systemctl", "enable", "--now", keeper_files.TIMER], remedy)
    elif any(path.endswith(keeper_files.TIMER) for path in changed):
        command.require(["systemctl", "restart", keeper_files.TIMER], remedy)
    return starts
