# SPDX-License-Identifier: GPL-3.0-or-later
"""What needs a real GPU, on any machine that has one, with Python 3.9 alone and no package:

    python3 tests/gpu/run.py                            facts and checks, with a verdict
    python3 tests/gpu/run.py --environment /opt/x       the frameworks of an environment, too
    python3 tests/gpu/run.py --record tests/gpu/recorded/h100.json

It prints what was found as JSON without serial numbers, UUIDs, names of hosts and people, and folders of their own. It
ends with 0 when everything passes, 1 when something fails, 77 where there is no GPU.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "collections"))

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import check as gpu_check
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import facts as gpu_facts
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.verdict import Bounds, Verdict
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

from reality import impersonal

SKIPPED = 77
SECONDS = 300.0


def expectations(facts: dict[str, Any], verdict: Verdict) -> list[str]:
    """Return where two ways of looking at one machine differ."""
    driven = {gpu["address"]: gpu for gpu in facts["gpus"] if gpu["bound"] == "nvidia"}
    problems = []
    for gpu in verdict.gpus:
        found = driven.get(gpu["address"])
        if found is None:
            problems.append(f"CUDA has {gpu['address']}, and the facts do not")
        elif found["memory_mib"] is not None and abs(found["memory_mib"] - gpu["memory_mib"]) > found["memory_mib"] / 8:
            problems.append(f"{gpu['address']} has {gpu['memory_mib']} MiB by CUDA, {found['memory_mib']} by the facts")
    if facts["driver"]["loaded"] and facts["driver"]["mismatch"] and verdict.ok:
        problems.append("the facts see a mismatch of versions, and CUDA works")
    if facts["driver"]["loaded"] and not facts["driver"]["loaded_flavour"]:
        problems.append("the facts do not know the flavour of the loaded module")
    return problems


def sanitized(facts: dict[str, Any]) -> dict[str, Any]:
    """Return facts without what identifies a machine or a person."""
    return {
        **facts,
        "gpus": [{**gpu, "uuid": "GPU-" if gpu["uuid"] else ""} for gpu in facts["gpus"]],
        "processes": len(facts["processes"]),
        "secure_boot": {**facts["secure_boot"], "enrolled": len(facts["secure_boot"]["enrolled"])},
        "kernels": [
            {**kernel, "modules": [{**module, "signer": bool(module["signer"])} for module in kernel["modules"]]}
            for kernel in facts["kernels"]
        ],
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Try Evenkeel's facts and checks on the GPUs of this machine.")
    parser.add_argument("--environment", default="", help="the prefix of an environment whose frameworks are tried too")
    parser.add_argument("--record", type=Path, help="where to write what was found, besides")
    options = parser.parse_args(arguments)
    facts = gpu_facts.read()
    if not facts["gpus"]:
        print("skipped: this machine has no GPU on its PCI bus", file=sys.stderr)
        return SKIPPED
    verdict = gpu_check.check(sys.executable, options.environment, Bounds(min_gpus=1), SECONDS, Sysroot())
    problems = [*verdict.problems, *expectations(facts, verdict)]
    found = impersonal.mapped(
        {
            "facts": sanitized(facts),
            "cuda": verdict.cuda,
            "gpus": list(verdict.gpus),
            "frameworks": list(verdict.frameworks),
            "problems": problems,
        }
    )
    text = json.dumps(found, indent=2) + "\n"
    print(text, end="")
    if options.record:
        options.record.parent.mkdir(parents=True, exist_ok=True)
        options.record.write_text(text)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
