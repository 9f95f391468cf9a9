# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of AWX's API as `awx import` uses: resources that are listed, found by name, made, changed and related.

Fields are those of AWX 24.6.1, which the unit tests hold engines/awx.yml to. Another field, and one that is missing
although it is required, is refused as AWX does.
"""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from tests.engines.conftest import ROOT
from tests.engines.loopback import Answer, Request

FIELDS: dict[str, Any] = yaml.safe_load((ROOT / "tests" / "unit" / "engines" / "awx_fields.yml").read_text())
V2 = "/api/v2/"
#: What the client imports, by its names, with the names in URLs.
KINDS = {
    name: "inventories" if name == "inventory" else name
    for name in (
        *("users", "organizations", "teams", "credential_types", "credentials", "notification_templates", "projects"),
        *("inventory", "inventory_sources", "job_templates", "workflow_job_templates", "execution_environments"),
        *("applications", "schedules", "system_job_templates"),
    )
}
#: Of fields that name another resource, its kind in URLs where the plural of the field is not.
OTHER = {
    "inventory": "inventories",
    "source_project": "projects",
    "unified_job_template": "job_templates",
    "default_environment": "execution_environments",
    "webhook_credential": "credentials",
    "signature_validation_credential": "credentials",
}
HEADERS = {"Allow": "GET, POST, PUT, OPTIONS", "Content-Type": "application/json"}


class Api:
    """Resources by their kind, each by its number."""

    def __init__(self) -> None:
        self.kinds: dict[str, dict[int, dict[str, Any]]] = {kind: {} for kind in KINDS.values()}
        self.related: dict[str, Any] = {}
        organization = self._add("organizations", {"name": "Default"})
        machine = self._add("credential_types", {"name": "Machine", "kind": "ssh"})
        owned = {"organization": organization["id"], "credential_type": machine["id"]}
        self._add("credentials", {"name": "Evenkeel nodes", **owned})

    def answer(self, asked: Request) -> Answer:
        """Answer a request."""
        if asked.path == "/api/":
            return _ok({"available_versions": {"v2": V2}})
        if asked.path == V2:
            return _ok({name: f"{V2}{kind}/" for name, kind in KINDS.items()})
        place = re.fullmatch(rf"{V2}(\w+)/(?:(\d+)/)?(?:(\w+)/)?", asked.path)
        if place is None or place[1] not in self.kinds:
            return 404, "{}"
        kind, number, related = place.groups()
        given = json.loads(asked.body or "{}")
        if number and related:
            return self._related(asked.method, int(number), related, given)
        if asked.method == "OPTIONS":
            return _ok({"actions": {"POST": fields(kind)}})
        if asked.method in ("POST", "PUT"):
            wrong = problems(kind, given)
            if wrong:
                return 400, json.dumps(wrong)
            made = self._add(kind, given, int(number) if number else None)
            return 201 if asked.method == "POST" else 200, json.dumps(made)
        if number:
            return _ok(self.kinds[kind][int(number)])
        named = [one for one in self.kinds[kind].values() if one["name"] in asked.query.get("name", [one["name"]])]
        return _listed(named)

    def one(self, kind: str, name: str) -> dict[str, Any]:
        """Return the resource of a name."""
        (found,) = (one for one in self.kinds[kind].values() if one["name"] == name)
        return found

    def _add(self, kind: str, values: dict[str, Any], number: int | None = None) -> dict[str, Any]:
        number = number or 1 + sum(len(known) for known in self.kinds.values())
        url = f"{V2}{kind}/{number}/"
        if kind == "job_templates":
            values = {**values, "organization": self.kinds["projects"][values["project"]]["organization"]}
        if kind == "inventory_sources":
            values = {**values, "organization": self.kinds["inventories"][values["inventory"]]["organization"]}
        named = {name: f"{V2}{_kind_of(name)}/{value}/" for name, value in values.items() if _names(name, value)}
        below = {name: f"{url}{name}/" for name in ("credentials", "survey_spec")}
        type_ = "inventory" if kind == "inventories" else kind.removesuffix("s")
        own = {"id": number, "url": url, "type": type_, "status": "successful", "related": {**below, **named}}
        self.kinds[kind][number] = {**values, **own}
        return self.kinds[kind][number]

    def _related(self, method: str, number: int, name: str, given: dict[str, Any]) -> Answer:
        place = f"{number}/{name}"
        if name == "credentials":
            known = self.related.setdefault(place, [])
            if method == "POST":
                known.append(given["id"])
                return 204, ""
            return _listed([self.kinds[name][one] for one in known])
        self.related[place] = given
        return _ok({})


def fields(kind: str) -> dict[str, Any]:
    """Return the fields of a kind as AWX describes them."""
    described = FIELDS.get("inventory" if kind == "inventories" else kind, {"fields": {}, "required": []})
    return {
        name: {"type": "id" if type_ == "key" else "string", "required": name in described["required"]}
        for name, type_ in described["fields"].items()
    }


def problems(kind: str, given: dict[str, Any]) -> dict[str, str]:
    """Return what AWX has against values."""
    known = fields(kind)
    unknown = {name: "It is unknown" for name in given if name not in known}
    missing = {name: "It is required" for name, field in known.items() if field["required"] and not given.get(name)}
    empty = {name: "It is null" for name, value in given.items() if value is None}
    return {**unknown, **missing, **empty}


def _names(field: str, value: Any) -> bool:
    return type(value) is int and _kind_of(field) in KINDS.values()


def _kind_of(field: str) -> str:
    return OTHER.get(field, f"{field}s")


def _ok(value: dict[str, Any]) -> Answer:
    return 200, json.dumps(value)


def _listed(found: list[dict[str, Any]]) -> Answer:
    return _ok({"count": len(found), "next": None, "previous": None, "results": found})
