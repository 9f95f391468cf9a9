#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the file with a notebook server's token."""

from __future__ import annotations

DOCUMENTATION = r"""
module: jupyter_token
short_description: Keep the token of a notebook server in a file that its user alone can read
version_added: 0.1.0
description:
  - Writes the token that is given, or makes one on the node when there is none yet. One made there never leaves the
    node. No token is in a result or a diff.
  - The file has mode 0600 and no newline at its end, as C(JUPYTER_TOKEN_FILE) wants it. The directory is made when it
    is missing; it should belong to root, so that O(owner) can't put a link in the file's place.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
options:
  path:
    description: The file.
    type: path
    required: true
  owner:
    description: The user that the file belongs to.
    type: str
    required: true
  token:
    description: The token. Without it, whatever token the file holds stays, and a missing one is made.
    type: str
"""

EXAMPLES = r"""
- name: Make a token for the notebook server
  evenkeel.gpu.jupyter_token:
    path: /etc/evenkeel/jupyter/token
    owner: jupyter
"""

RETURN = r"""
new:
  description: Whether the file holds another token than before, which a running server has not read.
  type: bool
  returned: success
path:
  description: The file.
  type: str
  returned: success
  sample: /etc/evenkeel/jupyter/token
"""

import os
import pwd

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.evenkeel.gpu.plugins.module_utils import _jupyter_token as jupyter_token
from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "owner": {"type": "str", "required": True},
            "token": {"type": "str", "no_log": True},
        },
        supports_check_mode=True,
    )
    path, owner, token = (module.params[key] for key in ("path", "owner", "token"))
    try:
        jupyter_token.check(token)
        uid = user_id(owner, may_be_missing=module.check_mode)
        plan = jupyter_token.plan(jupyter_token.read(path), token, uid)
    except EvenkeelError as error:
        module.fail_json(msg=str(error), **error.details)
    if plan.changed and not module.check_mode:
        os.umask(0o022)
        jupyter_token.apply(plan, path, uid)
    before, after = "\n".join(plan.before), "\n".join(plan.after)
    diff = {"before": before, "after": after, "before_header": path, "after_header": path}
    module.exit_json(changed=plan.changed, diff=diff, new=plan.new_token is not None, path=path)


def user_id(name: str, *, may_be_missing: bool) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError as error:
        if may_be_missing:
            return jupyter_token.NOT_YET
        raise EvenkeelError("There is no user %s" % name, "Create it first") from error


if __name__ == "__main__":
    main()
