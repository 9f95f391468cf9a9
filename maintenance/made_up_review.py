# SPDX-License-Identifier: GPL-3.0-or-later
"""The review of a fleet that doesn't exist, for a picture."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review import locks, report
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review.advisories import Advisories

MADE = datetime(2026, 11, 29, 2, 0, 10, tzinfo=UTC)
SITE = {"path": "/srv/site", "commit": "4f1c2e7a" * 5, "branch": "main", "tag": None, "dirty": False, "note": ""}
NODES = {"report": "/srv/site/drift/report.json", "created": MADE.isoformat(), "hosts": 64, "note": ""}
CHANNEL = "conda-forge"
USES = [
    *(("NVIDIA driver", "570.195.03", f"node gpu-{number:03}") for number in range(1, 17)),
    *(("NVIDIA driver", "580.105.08", f"node gpu-{number:03}") for number in range(17, 65)),
    ("Python", "3.9.19", "lock vision (linux-64)"),
    ("Python", "3.12.11", "lock ai-dev (linux-64)"),
    ("Python", "3.13.5", "lock llm (linux-64)"),
    *(("Ubuntu", "22.04", f"node gpu-{number:03}") for number in range(1, 33)),
    *(("Debian", "13", f"node gpu-{number:03}") for number in range(33, 65)),
]


def reviewed() -> dict[str, Any]:
    """Return a review of 64 nodes and three locks, as report.schema.json describes it."""
    entries = [
        _lock(
            "vision",
            [("numpy", "1.26.4", "2.0.2"), ("pillow", "10.2.0", "11.3.0"), ("pytorch", "2.5.1", "2.8.0")],
            [_flaw("pillow", "10.2.0", "CVE-2024-28219", "Buffer overflow in _imagingcms.c", "10.3.0")],
        ),
        _lock("ai-dev", [("jupyterlab", "4.4.3", "4.6.1"), ("pandas", "2.3.1", "2.3.3")], []),
        _lock("llm", [], []),
    ]
    known = Advisories(read=12431, counted=11987, withdrawn=112, newest="2026-11-27T18:00:00Z")
    return report.of_run(entries, USES, nodes=NODES, advisories=known, site=SITE, created=MADE, seconds=21.4)


def _lock(name: str, newer: list[tuple[str, str, str]], flaws: list[dict[str, Any]]) -> dict[str, Any]:
    packages = [
        {
            "name": package,
            "manager": "conda",
            "version": old,
            "newest": [{"where": CHANNEL, "version": new}],
            "update": new,
        }
        for package, old, new in newer
    ]
    said = {"vulnerabilities": flaws, "undecided": [], "by_name_alone": [], "note": "", "uncovered": 41}
    platform = {"count": 212, "changes": len(newer), "packages": packages, "unknown": [], "advisories": said}
    changes = "".join(f"  - {package} {old}\n  + {package} {new}\n" for package, old, new in newer)
    file = f"environments/{name}/conda-lock.yml"
    return {
        "name": name,
        "environment": f"environments/{name}/environment.yml",
        "lock": {"path": f"/srv/site/{file}", "file": file, "sha256": "5b" * 32, "commit": "9d" * 20, "dirty": False},
        "state": locks.OUTDATED if newer else locks.CURRENT,
        "note": "",
        "diff": f"linux-64\n{changes}" if newer else "",
        "platforms": {"linux-64": platform},
    }


def _flaw(package: str, version: str, advisory: str, summary: str, fixed: str) -> dict[str, Any]:
    return {
        "package": package,
        "distribution": package,
        "version": version,
        "ids": [advisory],
        "summary": summary,
        "severity": "moderate",
        "fixed": fixed,
        "known_by": "name",
        "ended_by_update": True,
    }
