# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What conda's command line answers."""

from __future__ import annotations

import json


def explain_failure(stdout: str, stderr: str) -> str:
    """Return in one line why a ``conda --json`` call failed: its error object's message, or its last words."""
    try:
        answer = json.loads(stdout)
    except ValueError:
        answer = None
    if isinstance(answer, dict):
        errors = answer.get("errors") or [answer]
        messages = [str(error.get("message") or error.get("error") or "") for error in errors]
        explained = "; ".join(dict.fromkeys(" ".join(message.split()) for message in messages if message))
        if explained:
            return explained
    last_words = (stderr.strip() or stdout.strip()).splitlines()[-3:]
    return " / ".join(line.strip() for line in last_words) or "it printed nothing"
