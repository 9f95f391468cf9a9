# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The one way into and out of every module.

``plugins/modules/NAME.py`` is documentation and a ``main()`` that calls ``run``. What the module does is in the
file ``NAME.py`` of its room, which knows no AnsibleModule, so that several modules can be called in one process:

- ``ARGUMENT_SPEC`` and, where there are any, ``RULES`` across options, such as ``mutually_exclusive``: AnsibleModule's
  own;
- ``FROM_ACTION``, where there is an action of the same name that hands its module what no task sets: the specification
  of that, which is no part of the documentation;
- ``converge(params, check_mode)``, or ``read(params, check_mode)`` where nothing can change: returns the result or
  raises ``EvenkeelError``.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os, unexpected
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_variable import RUN
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sanitise import in_one_line, sanitise, sanitised
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import long_enough, masked, of_urls

#: Under this key an action hands its module what is no option of it; see ``plugin_utils._control.action``.
HANDED = "_from_action"

Params = dict[str, Any]
Logic = Callable[[Params, bool], Mapping[str, Any]]


class Module(AnsibleModule):  # type: ignore[misc]
    """An AnsibleModule of which all that leaves it is sanitised, without the credentials of its options' URLs.

    Parameters
    ----------
    verbatim
        Keys of the result whose texts programs read back, see ``sanitised``.
    options
        AnsibleModule's own.
    """

    def __init__(self, verbatim: Sequence[str] = (), **options: Any) -> None:
        self._verbatim = verbatim
        self._handed: Params = {}
        super().__init__(**options)
        self.no_log_values.update(long_enough(of_urls(self.params)))

    def _load_params(self) -> None:
        super()._load_params()
        self._handed = self.params.pop(HANDED, None) or {}

    def handed(self, specification: Mapping[str, Any]) -> Params:
        """Return what the action has handed over, with defaults; end with an error where that is something else."""
        checked = ArgumentSpecValidator(dict(specification)).validate(self._handed)
        if checked.error_messages:
            self.fail_json("%s: %s" % (HANDED, "; ".join(checked.error_messages)))
        return dict(checked.validated_parameters)

    def warn(self, warning: str, **more: Any) -> None:
        """Warn, in one line, and without secrets, which Ansible leaves in warnings."""
        super().warn(in_one_line(masked(remove_values(warning, self.no_log_values))), **more)

    def exit_json(self, **result: Any) -> None:
        """End with a result."""
        super().exit_json(**self._shown(result))

    def fail_json(self, msg: str, **result: Any) -> None:
        """End with an error."""
        super().fail_json(sanitise(masked(str(msg))), **self._shown(result))

    def _shown(self, result: Mapping[str, Any]) -> dict[str, Any]:
        # Secrets are masked after this, and must be found in the form in which they are shown too.
        self.no_log_values.update([sanitise(str(secret)) for secret in self.no_log_values])
        shown: dict[str, Any] = sanitised({"invocation": {"module_args": self.params}, **result}, self._verbatim)
        return shown


def run(
    logic: Logic,
    argument_spec: Mapping[str, Any],
    *,
    from_action: Mapping[str, Any] | None = None,
    verbatim: Sequence[str] = (),
    secrets: Callable[[Params], Iterable[str]] = lambda params: (),
    renews_lease: bool = True,
    **rules: Any,
) -> None:
    """Run a module's logic, and end the process with its result.

    Parameters
    ----------
    logic
        Takes the options and whether this is check mode, and returns the result. Of the result's keys, ``warnings``
        becomes warnings, ``diff`` is left out unless it was asked for, and ``failed`` with ``msg`` makes it a failure;
        ``changed`` is false unless given. Warnings that precede an error are in its details, see ``errors.carrying``.
    argument_spec, rules
        AnsibleModule's own; every module supports check mode.
    from_action
        The specification of what the action of the same name hands over, which the logic finds among the options.
    verbatim
        Keys of the result whose texts programs read back, see ``sanitised``.
    secrets
        Returns what in the options must never be shown, beside options with ``no_log`` and credentials in URLs.
    renews_lease
        Whether the module's run goes on to hold the node by it, and has to hold it.
    """
    os.umask(0o022)
    # Ansible fills in the defaults of nested options in the specification itself.
    module = Module(verbatim, argument_spec=deepcopy(dict(argument_spec)), supports_check_mode=True, **rules)
    params = {**module.params, **module.handed(from_action or {})}
    module.no_log_values.update(secrets(params))
    try:
        if renews_lease and os.environ.get(RUN) and not module.check_mode and os.geteuid() == 0:
            _renew_lease(os.environ[RUN])
        result = {"changed": False, **logic(params, module.check_mode)}
    except EvenkeelError as error:
        _warn(module, error.details)
        module.fail_json(str(error), **error.details)
    except OSError as error:
        module.fail_json(str(from_os(error)), exception=traceback.format_exc())
    except Exception as error:  # Ansible would show its text as it is
        module.fail_json(str(unexpected(error)), exception=traceback.format_exc())
    _warn(module, result)
    if not module._diff:
        result.pop("diff", None)
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


def _renew_lease(run_of_module: str) -> None:
    # Most runs change nothing, and their modules don't need it.
    from ansible_collections.evenkeel.gpu.plugins.module_utils._node import run_lease

    run_lease.renew(run_of_module)


def _warn(module: Module, result: dict[str, Any]) -> None:
    for warning in result.pop("warnings", ()):
        module.warn(warning)
