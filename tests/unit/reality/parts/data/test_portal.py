# SPDX-License-Identifier: GPL-3.0-or-later
"""What answers to every URL, as a captive portal or a filter does, proves nothing."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.installers import Installer

from reality.claims import PROVEN
from reality.parts import data
from reality.parts.data import ages, installers
from reality.reach import Reach
from reality.run import ask
from reality.world import World
from tests.unit.reality.site import Reply, Site

PAGE = b"<!DOCTYPE html><html><title>Sign in</title><form><input name=password></form></html>"
LARGE = PAGE + b" " * (1 << 16)
MODIFIED = format_datetime(datetime.now(UTC), usegmt=True).encode()
CHUNKED = b"HTTP/1.1 200 OK\r\nLast-Modified: %s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
#: Of all claims that are asked in the same way, as many are.
ASKED = 3


class Caught(World):
    """A world whose every URL leads to one site; its installers are the newest known."""

    def at(self, url: str) -> str:
        return f"{self.sites[0]}/{url.partition('://')[2]}"

    def installers(self) -> list[Installer]:
        return installers.newest(super().installers())


@pytest.mark.parametrize(
    "reply",
    [
        Reply(PAGE, headers={"Last-Modified": MODIFIED.decode()}),
        Reply(LARGE, headers={"Last-Modified": MODIFIED.decode()}),
        Reply(raw=CHUNKED % (MODIFIED, len(PAGE), PAGE)),
        Reply(PAGE, status=403),
        Reply(PAGE, status=404),
        Reply(status=302, headers={"Location": "/sign-in/99.9.9-9"}),
        Reply(b'{"error": "sign in", "version": "1"}', headers={"Last-Modified": MODIFIED.decode()}),
        Reply(b""),
    ],
    ids=["length", "large", "chunked", "403", "404", "302", "json", "empty"],
)
def test_what_answers_to_every_url_proves_nothing(
    site: Site, world: World, monkeypatch: pytest.MonkeyPatch, reply: Reply
) -> None:
    monkeypatch.setattr(site, "next", lambda path: Reply(PAGE) if path.startswith("/sign-in") else reply)
    here = Caught(world.folder, world.store, sites=[site.url], reach=Reach(silence=10.0))
    asked: Counter[object] = Counter()
    for one in data._questions(here).values():
        way = one.ask.func  # type: ignore[attr-defined]
        asked[way] += 1
        if one.claim.subject != ages.AGES and asked[way] <= ASKED:
            result = ask(data, one.claim, here)
            assert result
            assert result.state != PROVEN, one.claim
