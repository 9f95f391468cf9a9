# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether channels answer the control node at all, asked before a solver that would wait for them."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import mirror_health
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import patience
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

#: What every channel has; one that refuses it has answered.
_INDEX = "%s/noarch/repodata.json"
_SECONDS = 10


def require_answers(channels: Iterable[str]) -> list[str]:
    """Return what was asked; fail where a channel does not begin to answer. Its index itself may take longer.

    Parameters
    ----------
    channels
        URLs, as they are asked.

    Raises
    ------
    EvenkeelError
        Some are silent.
    """
    urls = [_INDEX % channel.rstrip("/") for channel in channels if channel.startswith("http")]
    # mirror_health gives a server that sends a byte now and then twice as long.
    answers = mirror_health.ask_all(urls, mirror_health.Network(patience.for_answer(_SECONDS) / 2))
    silent = {url: answer.problem for url, answer in answers.items() if answer.silent}
    if silent:
        raise EvenkeelError(
            "; ".join(mirror_health.told_once(silent)), "Check that the control node reaches the channels' mirror"
        )
    return urls
