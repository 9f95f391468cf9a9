# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What of a node that others have set up can be taken over, what stays, and what its operator has to stop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight.verdict import size_of

Found = Mapping[str, Any]
#: What each is called where it is shown.
TITLES = {
    "take_over": "Can be taken over, by export.yml; adopt_exports=FILE writes the list for it",
    "stop": "To be stopped before site.yml, which stops nothing of others",
    "in_the_way": "In the way of site.yml, which changes nothing before that is settled",
    "stay": "Stays as it is",
    "unread": "Not looked at",
}
_SETTINGS = {
    "condarc": "{path}: settings of conda, which for this user win over the node's",
    "start": "{path}: starts another conda in this user's shells, until `conda init --reverse`",
}


def judge(found: Found) -> dict[str, list[str]]:
    """Return a line for each thing, by the keys of ``TITLES``.

    Parameters
    ----------
    found
        What the module adopt_info returns, or ``failed`` with the reason.
    """
    lines: dict[str, list[str]] = {key: [] for key in TITLES}
    for place in found.get("conda", ()):
        lines["take_over" if can_be_exported(place) else "stay"].append(of_place(place))
        if place["in_the_way"]:
            lines["in_the_way"].append(
                f"{place['path']}: where Evenkeel's distribution is to be, {place['owner']} has another one; set "
                "miniconda_prefix to another path, such as /opt/evenkeel/miniconda3"
            )
    for server in found.get("servers", ()):
        lines["stop" if server["running"] or server["enabled"] else "stay"].append(_of_server(server))
    lines["stay"] += [_SETTINGS[one["kind"]].format(**one) for one in found.get("settings", ())]
    for program in found.get("set_up_by", ()):
        lines["stay"].append(f"{program['name']} has set up the node: {program['path']}")
    if found.get("runfile"):
        lines["stay"].append(
            f"the driver {found['runfile']} of NVIDIA's installer, unless nvidia_driver_remove_leftovers is true"
        )
    lines["unread"] += [*found.get("unread", ()), *filter(None, [found.get("failed")])]
    return lines


def can_be_exported(place: Found) -> bool:
    """Return whether somebody has made an environment, and put something into it."""
    return bool(place["kind"] == "environment" and place["packages"])


def of_place(place: Found) -> str:
    """Return what is known of a distribution or an environment."""
    size = size_of(place["bytes"] >> 20)
    if not place["measured"]:
        size = f"more than {size}" if place["bytes"] else "not measured"
    packages = f"{place['packages']} package{'' if place['packages'] == 1 else 's'}"
    return f"{place['path']}: {place['kind']} of {place['owner']}, {packages} ({place['fingerprint']}), {size}"


def open_to_others(addresses: Iterable[str]) -> list[str]:
    """Return those of some addresses that other machines can reach."""
    return [address for address in addresses if not address.startswith(("127.", "[::1]"))]


def _of_server(server: Found) -> str:
    what = server["unit"] if server["path"] else f"process {server['pid']}"
    reached = open_to_others(server["listens"])
    where = f", open to others on {', '.join(reached)}" if reached else ""
    shown = f"{what}: a notebook server as {server['user']}{where}"
    if server["folder"]:
        shown += f", with the notebooks in {server['folder']}"
    if not server["running"]:
        return f"{shown}, which does not run{_command(server, 'disable')}"
    return f"{shown}{_command(server, 'disable --now')}"


def _command(server: Found, how: str) -> str:
    if not server["path"]:
        return f" (`kill {server['pid']}`)"
    return f" (`systemctl {how} {server['unit']}`)" if server["running"] or server["enabled"] else ""
