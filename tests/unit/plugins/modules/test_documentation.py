# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module documents is what it takes."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import entry

MODULES = sorted(path.stem for path in (Path(__file__).parents[4] / "plugins" / "modules").glob("*.py"))
COMPARED = ("type", "elements", "required", "default", "choices")


class Taken(Exception):
    """Carries what a module gave to AnsibleModule."""


def taken_by(module: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what the module's main() declares, or the action that is all of the module."""
    if not hasattr(module, "main"):
        action = importlib.import_module(module.__name__.replace(".modules.", ".action."))
        return {
            "argument_spec": action.ARGUMENT_SPEC,
            "supports_check_mode": action.ActionModule._supports_check_mode,
        }

    def take(_verbatim: Any, **arguments: Any) -> None:
        raise Taken(arguments)

    monkeypatch.setattr(entry, "Module", take)
    with pytest.raises(Taken) as taken:
        module.main()
    return dict(taken.value.args[0])


def comparable(options: dict[str, Any]) -> dict[str, Any]:
    """Return of each option what documentation and specification both tell."""
    return {
        name: {key: option[key] for key in COMPARED if option.get(key) not in (None, False)}
        | {"options": comparable(option.get("suboptions") or option.get("options") or {})}
        for name, option in options.items()
    }


def documented_options(documented: dict[str, Any]) -> dict[str, Any]:
    """Return the options that a module's documentation describes, with those of this collection's fragments."""
    options = dict(documented["options"])
    named = documented.get("extends_documentation_fragment", [])
    for name in (name for name in named if name.startswith("evenkeel.gpu.")):
        place, _, section = name.removeprefix("evenkeel.gpu.").partition(".")
        fragment = importlib.import_module(f"ansible_collections.evenkeel.gpu.plugins.doc_fragments.{place}")
        text = getattr(fragment.ModuleDocFragment, section.upper() or "DOCUMENTATION")
        options.update(yaml.safe_load(text)["options"])
    return options


@pytest.mark.parametrize("name", MODULES)
def test_options_are_documented_as_they_are_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(f"ansible_collections.evenkeel.gpu.plugins.modules.{name}")
    documented = yaml.safe_load(module.DOCUMENTATION)
    arguments = taken_by(module, monkeypatch)
    assert documented["module"] == name
    assert comparable(documented_options(documented)) == comparable(arguments["argument_spec"])
    assert arguments["supports_check_mode"]
    yaml.safe_load(module.EXAMPLES)
    yaml.safe_load(module.RETURN)


@pytest.mark.parametrize("name", MODULES)
def test_what_an_action_hands_its_module_is_not_documented(name: str) -> None:
    module = importlib.import_module(f"ansible_collections.evenkeel.gpu.plugins.modules.{name}")
    documented = yaml.safe_load(module.DOCUMENTATION)
    logic = getattr(module, name, None)
    assert not documented_options(documented).keys() & getattr(logic, "FROM_ACTION", {}).keys()
    assert "action fills" not in module.DOCUMENTATION
