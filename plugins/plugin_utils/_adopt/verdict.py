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
    "take_over": "Can be taken over, by export.yml -e export_prefix=PATH -e export_env=NAME",
    "stop": "To be stopped before site.yml, which stops nothing of others",
    "stay": "Stays as it is",
    "unread": "Not looked at",
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
        lines["take_over" if place["kind"] == "environment" else "stay"].append(_of_place(place))
    for server in found.get("servers", ()):
        lines["stop" if server["running"] or server["enabled"] else "stay"].append(_of_server(server))
    for program in found.get("set_up_by", ()):
        lines["stay"].append(f"{program['name']} has set up the node: {program['path']}")
    if found.get("runfile"):
        lines["stay"].append(
            f"the driver {found['runfile']} of NVIDIA's installer, unless nvidia_driver_remove_leftovers is true"
        )
    lines["unread"] += [*found.get("unread", ()), *filter(None, [found.get("failed")])]
    return lines


def open_to_others(addresses: Iterable[str]) -> list[str]:
    """Return those of some addresses that other machines can reach."""
    return [address for address in addresses if not address.startswith(("127.", "[::1]"))]


def _of_place(place: Found) -> str:
    size = size_of(place["bytes"] >> 20)
    if not place["measured"]:
        size = f"more than {size}" if place["bytes"] else "not measured"
    packages = f"{place['packages']} package{'' if place['packages'] == 1 else 's'}"
    return f"{place['path']}: {place['kind']} of {place['owner']}, {packages}, {size}"


def _of_server(server: Found) -> str:
    what = server["unit"] if server["path"] else f"process {server['pid']}"
    reached = open_to_others(server["listens"])
    where = f", open to others on {', '.join(reached)}" if reached else ""
    if not server["running"]:
        return f"{what}: a notebook server as {server['user']}, which does not run{_command(server, 'disable')}"
    return f"{what}: a notebook server as {server['user']}{where}{_command(server, 'disable --now')}"


def _command(server: Found, how: str) -> str:
    if not server["path"]:
        return f" (`kill {server['pid']}`)"
    return f" (`systemctl {how} {server['unit']}`)" if server["running"] or server["enabled"] else ""
