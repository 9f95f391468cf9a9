# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether a node could be brought to the declared state now, and what stands against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

READY, PROBLEM, UNKNOWN, UNREACHABLE = "ready", "problem", "unknown", "unreachable"
#: How far a clock may be off, in seconds: beyond it certificates and repositories' dates begin to be refused.
MOST_SKEW = 60
#: How much room a role needs while it works, in MiB: by role, by path.
ROOM: Mapping[str, Mapping[str, int]] = {
    "nvidia_driver": {"/usr": 1500, "/var": 1500, "/boot": 150},
    "cuda_toolkit": {"/usr": 8000, "/var": 4000},
    "nvidia_container_toolkit": {"/usr": 100, "/var": 50},
    "miniconda": {"/opt": 1500},
    "conda_environments": {"/opt": 5000},
    "jupyter": {"/home": 50},
}
#: What every file system must have left, in MiB and files.
LEAST_MIB, LEAST_INODES = 50, 1000
#: Which roles get something from a source, by its name.
USERS: Mapping[str, Sequence[str]] = {
    "conda mirror": ("miniconda", "condarc", "conda_environments"),
    "package index": ("conda_environments",),
    "NVIDIA's repository": ("nvidia_driver",),
    "CUDA repository": ("cuda_toolkit",),
    "container toolkit's repository": ("nvidia_container_toolkit",),
}

Found = Mapping[str, Any]


def judge(found: Found) -> dict[str, Any]:
    """Return the verdict on a node, which is its entry in the report.

    Parameters
    ----------
    found
        ``probe``, ``survey`` and ``node``, the results of the modules node_probe, survey and preflight, of which the
        last two are empty where they could not run; ``driver``, the choice of the driver; ``root``, where
        environments go.
    """
    probe: Found = found["probe"]
    node: Found = found.get("node") or {}
    survey: Found = found.get("survey") or {}
    layers: Found = survey.get("layers") or {}
    work = list(survey.get("to_do") or [])
    if not probe.get("reachable"):
        return _empty(probe, UNREACHABLE, [f"unreachable: {probe.get('msg') or 'it does not answer'}"])
    problems = [*_of_root(probe), *_of_clock(probe)]
    unknown = _of_python(probe)
    if unknown or not probe.get("root"):
        return _empty(probe, UNKNOWN if unknown else PROBLEM, [*unknown, *problems])
    if found.get("failed"):
        return _empty(probe, PROBLEM, [*problems, str(found["failed"])])
    unknown += [_unread(what, result) for what, result in (("survey", survey), ("node", node)) if _is_unread(result)]
    # A role that would fail has something to do as well.
    busy = list(dict.fromkeys([*work, *(role for role, layer in layers.items() if layer.get("problems"))]))
    silent = _of_sources(node.get("sources") or [], busy, bool(layers))
    problems += [*_of_disks(node.get("disks") or [], busy, found.get("root") or "/opt"), *silent[0]]
    problems += [f"{role}: {text}" for role, layer in layers.items() for text in layer.get("problems", ())]
    unknown += [f"unknown: {role}: {text}" for role, layer in layers.items() for text in layer.get("unknown", ())]
    gpus = gpus_of(survey)
    past = _past(node.get("past") or {}, found.get("driver") or {}, work)
    notes = [*silent[1], *_of_synchronisation(node)]
    notes += [f"{role}: {text}" for role, layer in layers.items() for text in layer.get("warnings", ())]
    notes += [
        f"{role}: {user}: {text}"
        for role, layer in layers.items()
        for user, texts in layer.get("user_problems", {}).items()
        for text in texts
    ]
    return {
        **_empty(probe, PROBLEM if problems else UNKNOWN if unknown else READY, [*unknown, *problems]),
        "clock": {"skew_seconds": probe.get("clock_skew"), "synchronised": node.get("clock_synchronised")},
        "disks": list(node.get("disks") or []),
        "sources": list(node.get("sources") or []),
        "gpus": gpus,
        "driver": _driver(survey, found.get("driver") or {}),
        "past": past,
        "roles": list(survey.get("roles") or []),
        "to_do": work,
        "changes": {role: [one["task"] for one in layer.get("changes", ())] for role, layer in layers.items()},
        "reboot": list(dict.fromkeys(text for layer in layers.values() for text in layer.get("reboot", ()))),
        "notes": list(dict.fromkeys(notes)),
    }


def _empty(probe: Found, state: str, problems: Iterable[str]) -> dict[str, Any]:
    """Return a verdict that knows no more than a node's first answers."""
    return {
        "state": state,
        "ok": state == READY,
        "root": probe.get("root"),
        "python": dict(probe.get("python") or {}),
        "release": probe.get("release") or "",
        "architecture": probe.get("machine") or "",
        "clock": {"skew_seconds": probe.get("clock_skew"), "synchronised": None},
        "disks": [],
        "sources": [],
        "gpus": [],
        "driver": {},
        "past": [],
        "roles": [],
        "to_do": [],
        "changes": {},
        "reboot": [],
        "problems": list(dict.fromkeys(problems)),
        "notes": [],
    }


def _of_python(probe: Found) -> list[str]:
    problem = probe.get("python_problem")
    if not problem:
        return []
    return [f"unknown: {problem}{' site.yml runs this command.' if '`sudo ' in problem else ''}"]


def _of_root(probe: Found) -> list[str]:
    problem = probe.get("root_problem")
    return [f"no root: {problem}"] if problem else []


def _of_clock(probe: Found) -> list[str]:
    skew = probe.get("clock_skew") or 0
    if abs(skew) <= MOST_SKEW:
        return []
    way = "ahead of" if skew > 0 else "behind"
    return [
        f"clock: {_duration(abs(skew))} {way} the control node's: certificates and repositories are refused by their"
        " dates. Start a time service on the node, such as chrony."
    ]


def _of_synchronisation(node: Found) -> list[str]:
    if node.get("clock_synchronised") is False:
        return ["clock: nothing keeps it right (no NTP), so it may drift."]
    return []


def _of_disks(disks: Sequence[Found], work: Sequence[str], root: str) -> list[str]:
    """Return the file systems that are too small for what the roles would put there, or full."""
    needed: Counter[str] = Counter()
    by_path = {disk["path"]: disk for disk in disks}
    for role in work:
        for path, size in ROOM.get(role, {}).items():
            place = by_path.get(root if path == "/opt" else path)
            if place:
                needed[place["mount"]] += size
    problems = []
    for disk in {disk["mount"]: disk for disk in disks}.values():
        mount, free = disk["mount"], disk["free_mib"]
        if disk["read_only"] and needed[mount]:
            problems.append(f"disk: {mount} is read-only. Mount it for writing.")
        if disk["read_only"]:
            continue
        wanted = max(needed[mount], LEAST_MIB)
        if free < wanted:
            problems.append(
                f"disk: {mount} has {size_of(free)} left, and about {size_of(wanted)} are needed. Free some space, or"
                " enlarge it."
            )
        if disk["free_inodes"] is not None and disk["free_inodes"] < LEAST_INODES:
            problems.append(f"disk: {mount} has room for {disk['free_inodes']} files only. Remove what is not needed.")
    return problems


def _of_sources(sources: Sequence[Found], work: Sequence[str], surveyed: bool) -> tuple[list[str], list[str]]:
    """Return the sources that lack something as problems where a role would use them, otherwise as notes."""
    problems: list[str] = []
    notes: list[str] = []
    for source in sources:
        if source["problem"]:
            text = f"{source['name']}: {source['problem'].rstrip('.')}."
            used = not surveyed or any(role in work for role in USERS.get(source["name"], ()))
            (problems if used else notes).append(text if used else f"{text} Nothing is needed from there now.")
    return problems, notes


def _past(past: Found, driver: Found, work: Sequence[str]) -> list[str]:
    """Return what is on a node from before, as texts; a driver as it is declared is none of it."""
    if not past:
        return []
    declared = str(driver.get("version") or "")
    ours = bool(declared) and "nvidia_driver" not in work
    found = [
        f"driver {one['version']} in {len(one['packages'])} packages, such as {one['packages'][0]},"
        f" from {one['origin'] or 'no repository that the node has'}"
        for one in past["drivers"]
        if not (ours and one["version"].startswith(declared))
    ]
    if past["runfile"]:
        found.append(f"driver {past['runfile']} of NVIDIA's installer (nvidia-uninstall removes it)")
    found += [f"DKMS: {one}" for one in past["dkms"] if not declared or one.split()[-1] != declared]
    found += [f"repository: {one}" for one in past["repositories"]]
    found += [f"container engine: {', '.join(past['engines'])}"] if past["engines"] else []
    found += [f"conda: {path}" for path in past["conda"]]
    found += [f"port of the notebook server: {one}" for one in past["port"]]
    return found


def gpus_of(survey: Found) -> list[dict[str, Any]]:
    """Return a node's GPUs by model, each ``name`` with its ``count``."""
    facts = (survey.get("ansible_facts") or {}).get("evenkeel_gpu") or {}
    counted = Counter(gpu["name"] or gpu["device_id"] for gpu in facts.get("gpus", ()))
    return [{"name": name, "count": count} for name, count in counted.items()]


def _driver(survey: Found, choice: Found) -> dict[str, Any]:
    facts = (survey.get("ansible_facts") or {}).get("evenkeel_gpu") or {}
    chosen = {key: choice.get(key) or "" for key in ("branch", "version", "flavour")}
    return {**chosen, "loaded": (facts.get("driver") or {}).get("loaded") or ""}


def _is_unread(result: Found) -> bool:
    return not ({"layers", "disks"} & result.keys())


def _unread(what: str, result: Found) -> str:
    return f"unknown: {what}: {result.get('msg') or 'it was not read'}"


def _duration(seconds: int) -> str:
    for size, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} seconds"


def size_of(mib: int) -> str:
    """Return a number of MiB as people read it, such as ``1.5G``."""
    for size, unit in ((1 << 20, "T"), (1 << 10, "G")):
        if mib >= size:
            value = mib / size
            return f"{value:.1f}{unit}" if value < 10 else f"{value:.0f}{unit}"
    return f"{mib}M"
