# SPDX-License-Identifier: GPL-3.0-or-later
"""Files for controllers have fields that those know, and start playbooks of this collection with their inputs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
INPUTS = yaml.safe_load((ROOT / "playbooks" / "meta" / "argument_specs.yml").read_text())["argument_specs"]
AWX = yaml.safe_load((ROOT / "engines" / "awx.yml").read_text())
AWX_FIELDS = yaml.safe_load(Path(__file__).with_name("awx_fields.yml").read_text())
SEMAPHORE = json.loads((ROOT / "engines" / "semaphore.json").read_text())
SEMAPHORE_FIELDS = yaml.safe_load(Path(__file__).with_name("semaphore_fields.yml").read_text())
TYPES = {"text": str, "bool": bool, "int": int, "float": float, "list": list, "key": dict}
#: What a question of a controller has to be, to be an input of a type.
QUESTIONS = {"str": "text", "path": "text", "raw": "text", "int": "int", "float": "int"}


def wrong(fields: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """Return the names of fields that are unknown, or have a value they do not take."""
    return [name for name, value in values.items() if name not in fields or not fits(fields[name], value)]


def fits(kind: str | list[str], value: Any) -> bool:
    """Return whether a value is one of a list, or of a type."""
    return value in kind if isinstance(kind, list) else type(value) is TYPES[kind]


def inputs(playbook: str) -> dict[str, Any]:
    """Return the options of a playbook that exists."""
    assert (ROOT / playbook).is_file()
    options: dict[str, Any] = INPUTS[Path(playbook).stem]["options"]
    return options


RESOURCES = [(kind, resource) for kind, resources in AWX.items() for resource in resources]
TEMPLATES = AWX["job_templates"]


def keys(value: Any) -> Iterator[dict[str, Any]]:
    """Yield each natural key within a value."""
    if isinstance(value, dict):
        if "type" in value and ("name" in value or "organization" in value) and "question_name" not in value:
            yield value
        for one in value.values():
            yield from keys(one)
    elif isinstance(value, list):
        for one in value:
            yield from keys(one)


@pytest.mark.parametrize(("kind", "resource"), RESOURCES, ids=[one["name"] for _, one in RESOURCES])
def test_awx_knows_a_resource(kind: str, resource: dict[str, Any]) -> None:
    described = AWX_FIELDS[kind]
    own = {name: value for name, value in resource.items() if name not in ("natural_key", "related")}
    assert wrong(described["fields"], own) == []
    assert [name for name in described["required"] if name not in own] == []
    assert set(resource["natural_key"]) == {"type", *described["natural_key"]}
    for name, value in resource["natural_key"].items():
        assert value == own.get(name, value)


def test_awx_finds_what_a_natural_key_names() -> None:
    of_kind = {one["natural_key"]["type"]: AWX_FIELDS[kind]["natural_key"] for kind, one in RESOURCES}
    fields = {**of_kind, **{kind: AWX_FIELDS[kind] for kind in ("organization", "credential", "credential_type")}}
    made = [one["natural_key"] for _, one in RESOURCES]
    for key in keys(AWX):
        assert set(key) == {"type", *fields[key["type"]]}
        assert key in made or key["type"] in ("organization", "credential", "credential_type")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template["name"])
def test_a_job_template_of_awx_starts_a_playbook_with_its_inputs(template: dict[str, Any]) -> None:
    options = inputs(template["playbook"])
    assert set(yaml.safe_load(template.get("extra_vars", "")) or {}) <= set(options)
    survey = template["related"].get("survey_spec")
    assert bool(survey) == template.get("survey_enabled", False)
    if not survey:
        return
    assert {name: type(value) for name, value in survey.items()} == {"name": str, "description": str, "spec": list}
    for question in survey["spec"]:
        assert {"type", "question_name", "variable", "required"} <= set(question)
        assert type(question["required"]) is bool
        kind = AWX_FIELDS["survey"][question["type"]]
        assert question["default"] == "" or fits(kind, question["default"])
        assert kind == QUESTIONS[options[question["variable"]].get("type", "str")]


def test_schedules_of_awx_are_rules_that_it_takes() -> None:
    for schedule in AWX["schedules"]:
        assert re.fullmatch(r"DTSTART:\d{8}T\d{6}Z RRULE:FREQ=(DAILY|HOURLY|WEEKLY);INTERVAL=\d+", schedule["rrule"])


@pytest.mark.parametrize("kind", [kind for kind in SEMAPHORE if not kind.startswith("integration")])
def test_semaphore_knows_the_fields(kind: str) -> None:
    found = SEMAPHORE[kind] if isinstance(SEMAPHORE[kind], list) else [SEMAPHORE[kind]]
    assert [wrong(SEMAPHORE_FIELDS[kind], one) for one in found] == [[]] * len(found)


@pytest.mark.parametrize("template", SEMAPHORE["templates"], ids=lambda template: template["name"])
def test_a_template_of_semaphore_starts_a_playbook_with_its_inputs(template: dict[str, Any]) -> None:
    options = inputs(template["playbook"])
    assert isinstance(json.loads(template["arguments"]), list)
    for question in template["survey_vars"]:
        assert wrong(SEMAPHORE_FIELDS["survey_vars"], question) == []
        kinds = ("int",) if question["type"] == "int" else ("str", "raw")
        assert options[question["name"]].get("type", "str") in kinds


def test_semaphore_finds_what_a_field_names() -> None:
    names = {
        kind: {one.get("name", one.get("title")) for one in SEMAPHORE[kind]} for kind in SEMAPHORE if kind != "meta"
    }
    for template in SEMAPHORE["templates"]:
        assert template["repository"] in names["repositories"]
        assert template["inventory"] in names["inventories"]
        assert template["environment"] in names["environments"]
        assert template["view"] in names["views"]
        assert re.fullmatch(r"(\S+ ){4}\S+", template.get("cron", "0 0 * * *"))
    for one in [*SEMAPHORE["repositories"], *SEMAPHORE["inventories"]]:
        assert one["ssh_key"] in names["keys"]


def test_variables_of_semaphore_are_inputs_of_a_playbook() -> None:
    known = {name for one in INPUTS.values() for name in one["options"]}
    for environment in SEMAPHORE["environments"]:
        assert set(json.loads(environment["json"])) <= known
        assert json.loads(environment["env"]) == {}


def test_a_field_that_is_not_known_or_has_another_type_is_found() -> None:
    fields = AWX_FIELDS["job_templates"]["fields"]
    assert wrong(fields, {"job_slices": 2, "forks": "2", "job_type": "scan", "forks_": 1, "limit": ""}) == [
        "job_slices",
        "forks",
        "job_type",
        "forks_",
    ]
