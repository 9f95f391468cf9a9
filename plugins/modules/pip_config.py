#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the index that pip and uv use on a node, for everyone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pip_config
short_description: Tell pip and uv on a node which index, proxy and certificates to use
version_added: 0.2.0
description:
  - Keeps single keys of pip's system-wide file, under a mark in its section C(global), and all else in it as it is.
    What the file says of these keys otherwise is replaced.
  - Keeps uv's system-wide file as a whole. One of other content that Evenkeel did not write is an error.
  - What is no longer asked for is taken back, when it was written by this module.
  - Both files are for everyone to read, and uv refuses to run where it cannot read its own. So credentials of O(index)
    and O(proxy) are not written, with a warning; pip and uv find those of a user in C(~/.netrc).
extends_documentation_fragment:
  - evenkeel.gpu.attributes
options:
  index:
    description: The simple index; pip's and uv's own when empty.
    type: str
    default: ""
  proxy:
    description: The proxy.
    type: str
    default: ""
  no_proxy:
    description:
      - Hosts and domains that are reached without O(proxy), with commas between. pip knows no such list, and gets no
        proxy when the host of O(index) is among them.
    type: str
    default: ""
  ca_bundle:
    description:
      - A file of certificates on the node, in PEM, that pip trusts. uv has no setting for it and reads the
        environment's E(SSL_CERT_FILE).
    type: str
    default: ""
  pip_conf:
    description: pip's file.
    type: path
    default: /etc/pip.conf
  uv_toml:
    description: uv's file.
    type: path
    default: /etc/uv/uv.toml
"""

EXAMPLES = r"""
- name: Have pip and uv use the site's index
  evenkeel.gpu.pip_config:
    index: https://pip.example.com/simple
"""

RETURN = r"""
paths:
  description: The files that were written or removed, or would be.
  type: list
  elements: str
  returned: success
  sample: [/etc/pip.conf, /etc/uv/uv.toml]
"""

from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import pip_config
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.pip_config import Plan, Wanted, without_credentials
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import Module, run
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import without_user


def main() -> None:
    run(
        converge,
        {
            "index": {"type": "str", "default": ""},
            "proxy": {"type": "str", "default": ""},
            "no_proxy": {"type": "str", "default": ""},
            "ca_bundle": {"type": "str", "default": ""},
            "pip_conf": {"type": "path", "default": "/etc/pip.conf"},
            "uv_toml": {"type": "path", "default": "/etc/uv/uv.toml"},
        },
        # Credentials in the URLs must not get into the node's log.
        no_log=True,
    )


def converge(module: Module) -> dict[str, Any]:
    for name in ("index", "proxy"):
        module.params[name] = public(module, name, module.params[name])
    plans, warnings = plan(module.params)
    if not module.check_mode:
        for one in plans:
            pip_config.apply(one)
    return {
        "changed": bool(plans),
        "paths": [one.path for one in plans],
        "warnings": warnings,
        "diff": [one.diff() for one in plans],
    }


def public(module: Module, name: str, url: str) -> str:
    """Return a URL as it may stand in a file that everyone can read."""
    if url and (not url.startswith(("http://", "https://", "file:///")) or url.split() != [url]):
        module.no_log_values.update(filter(None, [url.rpartition("@")[0]]))
        raise EvenkeelError("%s is %r, which is no URL" % (name, without_user(url)), "Write it as https://HOST/PATH")
    secret = url.partition("://")[2].partition("/")[0].rpartition("@")[0]
    if secret:
        module.no_log_values.add(secret)
        module.warn("The credentials of %s are not written, as everyone can read the files; see ~/.netrc" % name)
    return without_credentials(url)


def plan(params: dict[str, Any]) -> tuple[list[Plan], list[str]]:
    """Return what changes, and what people should know."""
    wanted = Wanted(params["index"], params["proxy"], params["no_proxy"], params["ca_bundle"])
    pip_conf, uv_toml = params["pip_conf"], params["uv_toml"]
    text, private = pip_config.read(pip_conf), pip_config.is_private(pip_conf)
    pip = pip_config.plan_pip(pip_conf, text, wanted.pip(), private=private)
    uv = pip_config.plan_uv(uv_toml, pip_config.read(uv_toml), wanted.uv(), private=pip_config.is_private(uv_toml))
    warnings = pip_config.defeated(pip_conf, text, wanted.pip())
    if private and wanted.pip() and not pip.open_up:
        warnings.append(
            "Not everybody may read %s, and pip passes over it in silence for those who may not; `chmod a+r %s`, unless"
            " it holds a secret" % (pip_conf, pip_conf)
        )
    return [one for one in (pip, uv) if one.changed], warnings


if __name__ == "__main__":
    main()
