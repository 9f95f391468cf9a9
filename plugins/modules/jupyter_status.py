#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the health of a notebook server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: jupyter_status
short_description: Wait until a notebook server is up, guarded and offers its kernels
version_added: 0.1.0
description:
  - Asks the server on the node for C(/api/status) with the token and without it, and for its kernels. A mistyped
    setting only makes the server log a warning, so whether it lets in whom it should is seen from outside alone.
  - Waits while there is no answer, at most O(timeout) seconds; anything else that is wrong fails at once. The message
    ends with the last lines of the unit's journal.
  - In check mode it asks once and never fails.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
attributes:
  diff_mode:
    support: none
options:
  url:
    description: The server's address as seen from the node, with its base path.
    type: str
    default: http://127.0.0.1:8888/
  token_file:
    description: The file on the node that holds the server's token.
    type: path
    required: true
  kernels:
    description: The kernels that the server must offer.
    type: list
    elements: str
    default: []
  unit:
    description: The server's systemd unit.
    type: str
    required: true
  timeout:
    description: How many seconds to wait for an answer.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Wait for the notebook server
  evenkeel.gpu.jupyter_status:
    token_file: /etc/evenkeel/jupyter/token
    kernels: [ai-dev]
    unit: jupyter.service
"""

RETURN = r"""
ready:
  description: Whether the server is as it should be. False only in check mode.
  type: bool
  returned: success
problem:
  description: What is wrong, in check mode.
  type: str
  returned: success
  sample: The notebook server does not answer
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.evenkeel.gpu.plugins.module_utils import _jupyter_status as jupyter_status
from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "default": "http://127.0.0.1:8888/"},
            "token_file": {"type": "path", "required": True, "no_log": False},
            "kernels": {"type": "list", "elements": "str", "default": []},
            "unit": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    try:
        verdict = ask(module)
    except EvenkeelError as error:
        verdict = jupyter_status.Verdict(error.what, error.mend)
    if not verdict.ready and not module.check_mode:
        module.fail_json(msg="%s. %s.\n%s" % (verdict.problem, verdict.mend, journal(module)))
    module.exit_json(changed=False, ready=verdict.ready, problem=verdict.problem)


def ask(module: AnsibleModule) -> jupyter_status.Verdict:
    params = module.params
    token = jupyter_status.read_token(params["token_file"])
    module.no_log_values.add(token)

    def look() -> jupyter_status.Verdict:
        return jupyter_status.judge(jupyter_status.observe(params["url"], token), params["kernels"])

    return look() if module.check_mode else jupyter_status.wait(look, params["timeout"])


def journal(module: AnsibleModule) -> str:
    unit = module.params["unit"]
    argv = ["journalctl", "--unit", unit, "--boot", "--no-pager", "--lines", "20"]
    _status, lines, error = module.run_command(argv)
    return "The last lines of %s:\n%s" % (unit, lines or error)


if __name__ == "__main__":
    main()
