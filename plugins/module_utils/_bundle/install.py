# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The program in a bundle: check it, and set up a control node that has nothing but Python."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle import check, control, source
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle.check import Checked
from ansible_collections.evenkeel.gpu.plugins.module_utils._bundle.signature import Trust
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held

#: What ansible-core runs on.
OLDEST = (3, 11)
FAILED = 1
_ROOT = "/opt/evenkeel/control"
_PLAYBOOK = os.path.join("playbooks", "bundle_install.yml")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program, and return its exit status."""
    asked = _parser().parse_args(argv)
    os.umask(0o022)
    try:
        _require_python()
        trust = Trust(asked.signers or "", asked.fingerprint or "", asked.unsigned)
        trust.require_right(["--signers", "--fingerprint", "--unsigned"])
        place = asked.bundle or os.path.dirname(os.path.abspath(sys.argv[0]))
        checked = check.check(source.at(place), trust)
        _say(_whole(checked))
        if asked.check:
            return 0
        here = control.this(os.path.abspath(asked.root))
        with held(here.lock, 0):
            changed = control.install(here, checked, allow_older=asked.allow_older, how="add --allow-older")
        _say("%s: %s" % (here.current, "set up" if changed else "as before"))
        _say("Next, on this machine:\n%s" % _next(here, place))
    except (EvenkeelError, OSError) as error:
        sys.stderr.write("%s\n" % (error if isinstance(error, EvenkeelError) else from_os(error)))
        return FAILED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="install.pyz", description="Check a bundle of Evenkeel, and set up this control node from it."
    )
    parser.add_argument("bundle", nargs="?", help="its folder or tar; by default the folder of this program")
    parser.add_argument("--signers", metavar="FILE", help="who may have signed it, a file of allowed signers")
    parser.add_argument("--fingerprint", metavar="SHA256:...", help="of the key that must have signed it")
    parser.add_argument("--unsigned", action="store_true", help="ask for no signature")
    parser.add_argument("--root", default=_ROOT, help="where the control node has its part (%(default)s)")
    parser.add_argument("--allow-older", action="store_true", help="go back to an older bundle")
    parser.add_argument("--check", action="store_true", help="check the bundle, and change nothing")
    return parser


def _require_python() -> None:
    if sys.version_info[:2] < OLDEST:
        raise EvenkeelError(
            "This is Python %d.%d, and ansible-core needs %d.%d or newer" % (*sys.version_info[:2], *OLDEST),
            "Start this with a newer one, such as python3.12",
        )


def _whole(checked: Checked) -> str:
    bundle = checked.bundle
    size = sum(one.size for one in bundle.files)
    return "%s is whole: %d files, %d MiB, %s" % (
        bundle.title,
        len(bundle.files),
        -(-size >> 20),
        "signed by %s" % checked.signer if checked.signer else "no signature was asked for",
    )


def _next(here: control.Control, place: str) -> str:
    project = os.path.join(here.current, "project")
    clone = os.path.exists(os.path.join(project, _PLAYBOOK))
    playbook = _PLAYBOOK if clone else "evenkeel.gpu.bundle_install"
    lines = [
        "  cd %s" % project,
        *(() if clone else ("  export ANSIBLE_COLLECTIONS_PATH=%s/collections" % here.current,)),
        "  ../venv/bin/ansible-playbook -i YOUR_INVENTORY %s -e bundle_install_from=%s ..." % (playbook, place),
    ]
    return "\n".join(lines)


def _say(text: str) -> None:
    sys.stdout.write("%s\n" % text)
