# SPDX-License-Identifier: GPL-3.0-or-later
"""Which templates are read without Jinja, and that Jinja's answer is the same."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.template import trust_as_template as trusted
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey import plain_templates

VALUES: dict[str, Any] = {
    "text": "/opt",
    "empty": "",
    "number": 7,
    "zero": 0,
    "no": False,
    "nothing": None,
    "several": ["a", "b"],
    "mapping": {"pin": "3.11", "items": 1, "deep": {"list": [1]}, "nothing": None},
}
UNKNOWN = "unknown"


def look(name: str) -> Any:
    return plain_templates.UNKNOWN if name == UNKNOWN else VALUES[name]


@pytest.mark.parametrize(
    "template",
    [
        *("{{ text }}", "{{ number }}", "{{ no }}", "{{ nothing }}", "{{ several }}", "{{ mapping.deep.list }}"),
        *("{{ text | default('other') }}", "{{ missing | default('other') }}", "{{ mapping.missing | default(text) }}"),
        *("{{ missing | default(true) }}", "{{ missing | default(none) }}", "{{ missing | default(30) }}"),
        *("{{ missing | default([]) }}", "{{ missing | default({}) }}", "{{ nothing | default('other') }}"),
        *("{{ empty | default('x', true) }}", "{{ zero | default(5, true) }}", "{{ nothing | default(text, true) }}"),
        *("{{ mapping.nothing | default('x', true) }}", "{{ text | default('x', true) }}"),
        *("{{ text }}/bin/{{ empty }}", "{{ missing | default('/usr') }}/bin/python", "no template at all"),
        *("{{ mapping.pin }}.{{ mapping.pin }}", "{version}/{{ text }}", "{{ text }}}", "{{ text }} "),
    ],
)
def test_its_value_is_what_jinja_finds(template: str) -> None:
    found = plain_templates.filled(trusted(template), look)
    assert found == Templar(DataLoader(), variables=VALUES).template(trusted(template))
    assert type(found) is type(VALUES.get(template[3:-3], found))


@pytest.mark.parametrize(
    "template",
    [
        *("{{ missing }}", "{{ unknown }}", "{{ unknown.part | default(1) }}", "{{ missing.part | default(1) }}"),
        *("{{ mapping.items }}", "{{ text.part | default(1) }}", "{{ mapping.missing }}", "{{ several.0 }}"),
        *("{{ text | upper }}", "{{ text ~ empty }}", "{{ missing | default(number + 1) }}", "{{text}}"),
        *("{{ missing | default(also_missing) }}", "{{ unknown | default('x', true) }}", "{{ several[0] }}"),
        *("{{ number }}/bin", "{{ text }}{# comment #}", "{% if no %}{{ text }}{% endif %}", "{{ text }}\n"),
        *("{{ text }} {{ missing }}", "{{ missing | default('it\\'s') }}", "{{ missing | default('{{ text }}') }}"),
    ],
)
def test_the_others_are_left_to_jinja(template: str) -> None:
    assert plain_templates.filled(trusted(template), look) == template


def test_a_text_that_is_no_template_of_the_operator_stays() -> None:
    assert plain_templates.filled("{{ text }}", look) == "{{ text }}"


def test_values_within_others_are_filled_and_omitted_ones_left_out() -> None:
    missing, text = trusted("{{ missing | default(omit) }}"), trusted("{{ text | default(omit) }}")
    number = trusted("{{ number }}")
    value = {"a": [missing, number, {"b": text}], "c": missing}
    assert plain_templates.filled(value, look) == {"a": [7, {"b": "/opt"}]}


def test_an_empty_list_of_a_default_is_a_new_one() -> None:
    first, second = (plain_templates.filled(trusted("{{ missing | default([]) }}"), look) for _unused in range(2))
    assert first == second == []
    assert first is not second
