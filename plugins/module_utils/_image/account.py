# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The ordinary user of an image, in the files that name users and groups."""

from __future__ import annotations

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

_REMEDY = "Set another (image_user and image_uid of the playbook)"


def with_user(passwd: str, group: str, name: str, uid: int, home: str) -> tuple[str, str]:
    """Return the contents of ``/etc/passwd`` and ``/etc/group`` with a user, who may be there already.

    Raises
    ------
    EvenkeelError
        The name or the id belongs to somebody else.
    """
    return (
        _with(passwd, name, uid, "%s:x:%d:%d::%s:/bin/sh" % (name, uid, uid, home), "user"),
        _with(group, name, uid, "%s:x:%d:" % (name, uid), "group"),
    )


def _with(text: str, name: str, number: int, line: str, kind: str) -> str:
    for known in text.splitlines():
        fields = known.split(":")
        if len(fields) < 3 or (fields[0] != name and fields[2] != str(number)):
            continue
        if (fields[0], fields[2]) == (name, str(number)):
            return text
        raise EvenkeelError(
            "The base image has a %s %s with the id %s, so the image's %s %s can't have the id %d"
            % (kind, fields[0], fields[2], kind, name, number),
            _REMEDY,
        )
    return "%s%s%s\n" % (text, "" if text.endswith("\n") or not text else "\n", line)
