# SPDX-License-Identifier: GPL-3.0-or-later
"""Which variables of roles are replaced by their values."""

from __future__ import annotations

from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.template import trust_as_template as trusted
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey.variables import Variables


def resolved(values: dict[str, Any], *names: str) -> dict[str, Any]:
    values = {name: trusted(value) if isinstance(value, str) else value for name, value in values.items()}
    known = Variables(values, ("role_", "__role_"))
    known.resolve(names, Templar(DataLoader(), variables=values).template)
    return dict(known.values)


def test_a_variable_and_what_it_refers_to_are_replaced() -> None:
    found = resolved({"role_a": "{{ role_b + 1 }}", "role_b": "{{ 1 + 1 }}", "role_c": "{{ 0 }}"}, "role_a")
    assert found == {"role_a": 3, "role_b": 2, "role_c": "{{ 0 }}"}


def test_those_of_others_stay() -> None:
    assert resolved({"role_a": "{{ other }}", "other": "{{ 5 }}"}, "role_a") == {"role_a": 5, "other": "{{ 5 }}"}


def test_what_is_about_the_item_of_a_loop_stays_too() -> None:
    values: dict[str, Any] = {
        "role_a": "{{ role_b }}",
        "role_b": "{{ [] if __role_item is not defined else __role_item.list }}",
    }
    assert resolved(values, "role_a", "role_b") == values


def test_an_input_that_is_not_set_is_no_item() -> None:
    assert resolved({"role_a": "{{ role_b | default(7) }}"}, "role_a") == {"role_a": 7}


def test_what_fails_or_refers_to_itself_stays() -> None:
    values = {"role_a": "{{ 1 / 0 }}", "role_b": "{{ role_c }}", "role_c": "{{ role_b }}"}
    assert resolved(values, *values) == values


def test_options_are_filled_with_what_needs_no_jinja() -> None:
    values = {"role_a": trusted("{{ role_b ~ 1 }}"), "role_b": "b", "other": "o", "others": trusted("{{ other }}")}
    known = Variables(values, ("role_", "__role_"))
    known.resolve(["role_a"], Templar(DataLoader(), variables=values).template)
    options = {
        "resolved": "{{ role_a }}",
        "plain": "{{ other }}/x",
        "of another's template": "{{ others }}",
        "not set": "{{ role_c | default(omit) }}",
        "an item": "{{ __role_item.name }}",
        "an item that may not be one": "{{ __role_other | default(1) }}",
        "magic": "{{ hostvars }}",
        "a task's": "{{ role_b }}",
    }
    others = {"__role_item": {"name": "n"}, "role_b": "own"}
    assert known.filled({name: trusted(text) for name, text in options.items()}, others) == {
        "resolved": "b1",
        "plain": "o/x",
        "of another's template": "{{ others }}",
        "an item": "n",
        "an item that may not be one": "{{ __role_other | default(1) }}",
        "magic": "{{ hostvars }}",
        "a task's": "own",
    }
