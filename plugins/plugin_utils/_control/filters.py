# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What every filter shares: its way in, and errors that Ansible shows as they are."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import require

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def answering(function: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """Return a function as Ansible calls it: what it needs is there, and its EvenkeelError is an error of Ansible's."""

    @functools.wraps(function)
    def answer(*args: Given.args, **options: Given.kwargs) -> Answer:
        try:
            require()
            return function(*args, **options)
        except EvenkeelError as error:
            raise AnsibleFilterError(str(error)) from error

    return answer
