# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A file of nginx's configuration, tried beside the others before it is put in place."""

from __future__ import annotations

import os
import re
import shutil
import tempfile

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

UNIT = "nginx.service"

_MAIN, _FILES = "nginx.conf", "conf.d"
_EMERGENCY = re.compile(r"^nginx: \[emerg\] (.+)$", re.MULTILINE)


def path(name: str, root: str = "/etc/nginx") -> str:
    """Return where a file of this name goes; all distributions have that folder."""
    return os.path.join(root, _FILES, name)


def is_there() -> bool:
    """Whether the node has nginx."""
    return shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin") is not None


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
