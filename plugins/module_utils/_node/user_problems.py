# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Decide whether problems with users' files and servers are the users' own, or the node's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

Problems = Mapping[str, Sequence[str]]

#: How many texts of one user a warning shows.
MOST_SHOWN = 5


def of_node(
    failed: Collection[str], users: Collection[str], own: Collection[str], reference: Callable[[], str | None]
) -> str | None:
    """Return why the fault is the node's, or None where it is the users' own.

    Parameters
    ----------
    failed, users
        The users that something failed for, of all.
    own
        Accounts of the node itself, which belong to no person.
    reference
        Does the same without anything of a user's, and returns why that fails; it is asked only where something failed.
    """
    if not failed:
        return None
    services = sorted(set(failed) & set(own))
    if services:
        return "%s is an account of the node's own" % ", ".join(services)
    if len(users) > 1 and set(failed) >= set(users):
        return "it fails for all users"
    return reference()


def merged(*several: Problems) -> dict[str, list[str]]:
    """Return all problems by user."""
    found: dict[str, list[str]] = {}
    for problems in several:
        for user, texts in problems.items():
            found.setdefault(user, []).extend(texts)
    return dict(sorted(found.items()))


def warnings(problems: Problems) -> list[str]:
    """Return one warning for each user who has problems."""
    return [
        "A problem of the user %s, which does not affect others: %s" % (user, " ".join(_sentences(texts)))
        for user, texts in sorted(problems.items())
        if texts
    ]


def _sentences(texts: Sequence[str]) -> list[str]:
    more = ["And %d more." % (len(texts) - MOST_SHOWN)] if len(texts) > MOST_SHOWN else []
    return [text.rstrip(". \n") + "." for text in texts[:MOST_SHOWN]] + more
