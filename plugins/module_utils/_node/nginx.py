# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A file of nginx's configuration, tried beside the others before it is put in place, and served from then on."""

from __future__ import annotations

import glob
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, services
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

UNIT = "nginx.service"
RELOAD_SECONDS = 30
POLL_SECONDS = 0.1

_MAIN, _FILES = "nginx.conf", "conf.d"
_EMERGENCY = re.compile(r"^nginx: \[emerg\] (.+)$", re.MULTILINE)


def path(name: str, root: str = "/etc/nginx") -> str:
    """Return where a file of this name goes; all distributions have that folder."""
    return os.path.join(root, _FILES, name)


def is_there() -> bool:
    """Whether the node has nginx."""
    return shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin") is not None


def others(name: str, root: str = "/etc/nginx") -> list[str]:
    """Return the files beside the one of this name that tell nginx what to serve, but for a distribution's example."""
    example = os.path.realpath(os.path.join(root, "sites-available", "default"))
    found = [*glob.glob(os.path.join(root, _FILES, "*.conf")), *glob.glob(os.path.join(root, "sites-enabled", "*"))]
    return sorted(
        path for path in found if os.path.realpath(path) != example and path != os.path.join(root, _FILES, name)
    )


def try_out(name: str, text: str, root: str = "/etc/nginx") -> None:
    """Have nginx check its whole configuration with one file as it would be; the real files are not touched.

    Raises
    ------
    EvenkeelError
        nginx refuses it, with the file and the line; or it would not read the file.
    """
    with tempfile.TemporaryDirectory(prefix="evenkeel-nginx-") as place:
        stage(name, text, root, place)
        done = command.run(["nginx", "-T", "-q", "-c", os.path.join(place, _MAIN)])
        staged = os.path.join(place, _FILES, name)
        if done.status != 0:
            messages = _EMERGENCY.findall(done.errors)
            raise EvenkeelError(
                "nginx refuses its configuration: %s"
                % (" / ".join(messages) or done.last_words()).replace(place, root),
                "Nothing was changed, and nginx keeps its running configuration. Fix the file that it names",
            )
        if "# configuration file %s:" % staged not in done.output:
            raise EvenkeelError(
                "%s does not include %s" % (os.path.join(root, _MAIN), path("*.conf", root)),
                "Include it in the section http, as the distribution's file does",
            )


def stage(name: str, text: str, root: str, place: str) -> None:
    """Make ``place`` nginx's folder with one file as it would be; all else is linked."""
    for entry in os.listdir(root):
        if entry not in (_MAIN, _FILES):
            os.symlink(os.path.join(root, entry), os.path.join(place, entry))
    os.mkdir(os.path.join(place, _FILES))
    for entry in os.listdir(os.path.join(root, _FILES)):
        if entry != name:
            os.symlink(os.path.join(root, _FILES, entry), os.path.join(place, _FILES, entry))
    with open(os.path.join(root, _MAIN), encoding="utf-8", errors="surrogateescape") as stream:
        main = stream.read().replace("%s/%s/" % (root, _FILES), "%s/%s/" % (place, _FILES))
    for target, content in ((os.path.join(place, _MAIN), main), (os.path.join(place, _FILES, name), text)):
        with open(target, "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(content)


def word(text: str) -> str:
    """Return a text as one word of nginx's, in quotes; nothing in it ends the word."""
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')


def serve(name: str, is_right: Callable[[], bool], *, by: str, changed: bool, check_mode: bool) -> bool:
    """Have nginx run, at boot too, and serve what a file says; return whether anything was to be done.

    Parameters
    ----------
    name
        The file's.
    is_right
        Whether nginx serves what the file says.
    by
        The module that wants it.
    changed
        Whether the file was just changed. nginx is reloaded then, even where it seems to serve the right thing.

    Raises
    ------
    EvenkeelError
        nginx does not start, or does not serve what the file says.
    """
    todo = services.change(UNIT, run=True)
    if todo is None and not changed and is_right():
        return False
    if check_mode:
        return True
    remedy = "See `journalctl --unit %s`" % UNIT
    if todo is not None:
        todo.apply(by)
    if changed or not is_right():
        command.require(["systemctl", "reload", UNIT], remedy)
    end = time.monotonic() + RELOAD_SECONDS
    while not is_right():
        if time.monotonic() > end:
            raise EvenkeelError("nginx runs, but does not serve what %s says" % path(name), remedy)
        time.sleep(POLL_SECONDS)
    return True


def require_selinux_allows(whom: str, root: str = "/sys/fs/selinux") -> None:
    """Refuse a node whose SELinux keeps nginx from the servers behind it.

    Parameters
    ----------
    whom
        For the message: what nginx connects to.

    Raises
    ------
    EvenkeelError
        SELinux forbids nginx to connect to them.
    """
    boolean = "httpd_can_network_connect"
    enforced, allowed = (_text(os.path.join(root, name)) for name in ("enforce", "booleans/%s" % boolean))
    if enforced.strip() == "1" and allowed[:1] == "0":
        raise EvenkeelError("SELinux does not let nginx connect to %s" % whom, "Allow it: setsebool -P %s on" % boolean)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except OSError:
        return ""
