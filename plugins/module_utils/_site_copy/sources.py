# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Where the indexes come from by which files of a copy are found, and where they go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.fetching import Network, Wanted, fetch, fetch_all
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.manifest import File, Manifest
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.store import Store
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy.wants import Upstreams


@dataclass(frozen=True)
class Sources:
    """What it takes to read indexes.

    Parameters
    ----------
    former
        The copy in use.
    known
        By path, files that are wanted anyway, such as keys.
    """

    upstreams: Upstreams
    store: Store
    network: Network
    former: Manifest | None = None
    known: Mapping[str, Wanted] = field(default_factory=dict)

    def index(self, path: str) -> tuple[File, str]:
        """Return a file of an upstream that has no known hash, fetched anew, and where it is in the store."""
        return fetch(Wanted(path, self.upstreams.url(path)), self.store, self.network)

    def key(self, key: str) -> str:
        """Return where a key is: of this machine, or of an upstream; empty where none is given."""
        if not key or key.startswith("/"):
            return key
        wanted = self.known.get(key) or Wanted(key, self.upstreams.url(key))
        return fetch(wanted, self.store, self.network)[1]

    def lists(self, wanted: Iterable[Wanted]) -> dict[str, File]:
        """Return those of the lists that the upstream has, by path."""
        return fetch_all(wanted, self.store, self.network, optional=True)
