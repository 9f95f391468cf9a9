# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a machine does at its first boot from a sealed disk: it makes host keys and tokens of its own, once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import MARK

UNIT = "evenkeel-first-boot.service"
UNIT_FILE = "/etc/systemd/system/" + UNIT
PROGRAM = "/usr/local/lib/evenkeel/first_boot.sh"
#: What is to be made; without it, the unit does nothing.
LIST = "/etc/evenkeel/first_boot"

_UNIT = """%s
[Unit]
Description=Evenkeel: host keys and tokens of this machine's own
ConditionPathExists=%s
DefaultDependencies=no
After=systemd-remount-fs.service local-fs.target systemd-random-seed.service
Before=sysinit.target network-pre.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh %s

[Install]
WantedBy=sysinit.target
"""

# Each random number is of the kernel's generator once it has its seed, which /dev/random waits for.
_PROGRAM = """#!/bin/sh
%s
# Makes what a machine has for itself alone. An interrupted run goes on at the next boot.
set -eu
list=%s

# Other distributions have a unit of their own for host keys.
if [ ! -e /usr/lib/systemd/system/sshd-keygen@.service ] && command -v ssh-keygen >/dev/null; then
    ssh-keygen -A
fi

umask 077
while read -r kind owner path; do
    case $kind in
    leftover) rm -rf -- $path ;;
    token)
        [ -s "$path" ] && continue
        head -c 32 /dev/random | base64 | tr '+/' '-_' | tr -d '=\\n' >"$path.new"
        chown "$owner" "$path.new"
        mv "$path.new" "$path"
        ;;
    esac
done <"$list"

sync
rm "$list"
systemctl --no-reload --quiet disable %s
"""


@dataclass(frozen=True, order=True)
class Token:
    """A file with a random text, and who owns it."""

    path: str
    uid: int
    gid: int


def files(tokens: Iterable[Token], leftovers: Iterable[str]) -> Mapping[str, str]:
    """Return the texts of the files, by path.

    Parameters
    ----------
    leftovers
        Patterns of what the machine may write again while it shuts down.
    """
    lines = ["leftover - %s" % pattern for pattern in leftovers]
    lines += ["token %d:%d %s" % (token.uid, token.gid, token.path) for token in sorted(tokens)]
    return {
        PROGRAM: _PROGRAM % (MARK, LIST, UNIT),
        UNIT_FILE: _UNIT % (MARK, LIST, PROGRAM),
        LIST: "".join("%s\n" % line for line in lines),
    }


def parsed(text: str) -> list[Token]:
    """Return the tokens of a list that an interrupted run has left.

    >>> parsed("leftover - /var/lib/dhcp/*\\ntoken 998:997 /etc/x/token\\n")
    [Token(path='/etc/x/token', uid=998, gid=997)]
    """
    rows = [line.split(" ", 2) for line in text.splitlines() if line.startswith("token ")]
    return [Token(path, *map(int, owner.split(":"))) for _kind, owner, path in rows]
