# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""How an image was built: an in-toto statement with SLSA's predicate. All that differs between equal images is here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._image.buildah import Base

_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://slsa.dev/provenance/v1"
_BUILD = "urn:evenkeel:image:1"


@dataclass(frozen=True)
class Built:
    """A finished build."""

    name: str
    digest: str
    base: Base
    buildah: str
    evenkeel: str
    begun: float
    ended: float


def statement(
    built: Built, site: Mapping[str, Any], environments: Sequence[Mapping[str, Any]], sources: Sequence[str]
) -> dict[str, Any]:
    """Return the statement.

    Parameters
    ----------
    site
        The repository of what is declared, as ``committed.of_site`` returns it.
    environments
        As the module image_layers returns them.
    sources
        Where packages came from.
    """
    return {
        "_type": _STATEMENT,
        "subject": [{"name": built.name, "digest": _digest(built.digest)}],
        "predicateType": _PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": _BUILD,
                "externalParameters": {
                    "base": built.base.name,
                    "environments": {one["name"]: one["digest"] for one in environments},
                },
                "internalParameters": {"mirrors": list(sources), "site": dict(site)},
                "resolvedDependencies": [
                    {"uri": built.base.name, "digest": _digest(built.base.digest)},
                    *(_lock(one["origin"]) for one in environments),
                ],
            },
            "runDetails": {
                "builder": {"id": _BUILD, "version": {"evenkeel": built.evenkeel, "buildah": built.buildah}},
                "metadata": {"startedOn": _time(built.begun), "finishedOn": _time(built.ended)},
            },
        },
    }


def _lock(origin: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        "name": str(origin.get("file") or ""),
        "digest": {"sha256": origin.get("sha256")},
        "annotations": {key: origin[key] for key in ("commit", "dirty", "signer") if origin.get(key)},
    }
    return {key: value for key, value in found.items() if value}


def _digest(text: str) -> dict[str, str]:
    kind, _colon, value = text.partition(":")
    return {kind: value}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
