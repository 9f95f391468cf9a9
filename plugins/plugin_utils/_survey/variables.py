# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The variables of roles, templated once each.

Ansible templates a variable again whenever another one or an option refers to it. A survey refers to the same variables
many times, so it replaces each by its value first, after those that it refers to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import texts_in
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._survey import plain_templates

_NAME = re.compile(r"[A-Za-z_]\w*")


class Variables:
    """The variables of a host, of which those with a known beginning are replaced by their values on demand.

    Parameters
    ----------
    values
        The variables as they are set; replaced in place.
    beginnings
        Only names that begin with one of these are replaced: other people's templates may be slow, or ask a person.
    """

    def __init__(self, values: MutableMapping[str, Any], beginnings: Iterable[str]) -> None:
        self.values = values
        self._beginnings = tuple(beginnings)
        self._met: dict[str, bool] = {}
        #: Those that are known to have no templates.
        self._final: set[str] = set()

    def resolve(self, names: Iterable[str], template: Callable[[Any], Any]) -> None:
        """Replace variables, and all that they refer to.

        One whose template fails stays as it is: where it is really used, the error is Ansible's own. So does one that
        refers to the item of a loop, whose value changes from use to use.

        Parameters
        ----------
        template
            Returns a value with its templates replaced, by these variables.
        """
        for name in names:
            self._resolve(name, template)

    def _resolve(self, name: str, template: Callable[[Any], Any]) -> bool:
        """Replace a variable; return whether neither it nor what it refers to is the item of a loop."""
        if not name.startswith(self._beginnings):
            return True
        if name in self._met:
            return self._met[name]
        if name not in self.values:  # an input that is not set, or a loop's
            return not name.startswith("__")
        self._met[name] = True
        raw = self.values[name]
        texts = [text for text in texts_in(raw) if not _is_final(text)]
        named = [one for text in texts for one in _NAME.findall(text)]
        self._met[name] = False not in {self._resolve(one, template) for one in named}
        if not texts:
            self._final.add(name)
        elif self._met[name]:
            with suppress(AnsibleError):
                self.values[name] = template(self.filled(raw))
                self._final.add(name)
        return self._met[name]

    def resolve_all_in(self, value: Any, template: Callable[[Any], Any]) -> None:
        """Replace all variables that the templates within a value refer to."""
        for text in texts_in(value):
            self.resolve(_NAME.findall(text), template)

    def filled(self, value: Any, others: Mapping[str, Any] | None = None) -> Any:
        """Return a value with those of its templates replaced that need no Jinja.

        Parameters
        ----------
        others
            Further variables, of a task or the item of a loop.
        """
        further = others or {}

        def look(name: str) -> Any:
            if name in further:
                return further[name]
            if name in self.values:
                value = self.values[name]
                return value if name in self._final or _is_final(value) else plain_templates.UNKNOWN
            if name.startswith("__") or not name.startswith(self._beginnings):
                return plain_templates.UNKNOWN
            raise KeyError(name)

        return plain_templates.filled(value, look)


def _is_final(value: Any) -> bool:
    """Return whether a value is a text without templates."""
    return isinstance(value, str) and not plain_templates.BEGINNING.search(value)
