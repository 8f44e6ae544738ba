"""Many people use one key on all nodes of a cluster, and one node is lost in the middle."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import InterfaceError, OperationalError, connections

from invitation.exceptions import Busy, KeyUsedUp
from invitation.models import Acceptance, InvitationKey
from tests.factories import make_invitation, make_user
from tests.races import books, nodes
from tests.races.arena import Arena
from tests.races.people import claim

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not nodes.NODES, reason="needs a cluster: tests/services/with-galera"),
]
ATTEMPTS = int(os.environ.get("INVITATION_TEST_ATTEMPTS", 1_000))


class Crowd:
    """Be many people who try one invitation after the other, each on one node."""

    def __init__(self, invitations: list[InvitationKey]) -> None:
        self.invitations = invitations
        self.turns = itertools.count()
        self.claimed: list[str] = []
        self.outcomes: Counter[str] = Counter()
        #: Nodes of which a connection was lost, once for each attempt that was under way there.
        self.lost: list[nodes.Node] = []
        self.doomed = nodes.NODES[-1]

    def come(self, number: int) -> None:
        """Try until all attempts are made; go to another node if this one is lost."""
        node = nodes.NODES[number % len(nodes.NODES)]
        nodes.connect_to(node)
        nodes.catch_up()
        while (turn := next(self.turns)) < ATTEMPTS:
            if turn == ATTEMPTS // 2:
                self.doomed.kill()
            try:
                self._try(turn)
            except (OperationalError, InterfaceError):
                self.lost.append(node)
                node = nodes.NODES[number % (len(nodes.NODES) - 1)]
                nodes.connect_to(node)
        connections.close_all()

    def _try(self, turn: int) -> None:
        invitation = self.invitations[turn % len(self.invitations)]
        name = f"user{turn}"
        try:
            claim(invitation, name)
        except (KeyUsedUp, Busy) as refusal:
            self.outcomes[refusal.code] += 1
        else:
            self.claimed.append(name)


def test_nothing_is_used_twice_and_nothing_is_lost(arena: Arena) -> None:
    inviter, places = make_user("inviter"), ATTEMPTS // 4
    alone = make_invitation(inviter, "alone@example.org")
    many = make_invitation(inviter, "many@example.org", max_uses=places)
    crowd = Crowd([alone, many])
    with ThreadPoolExecutor(arena.threads) as threads:
        list(threads.map(crowd.come, range(arena.threads)))
    nodes.catch_up()
    there = set(Acceptance.objects.values_list("user__username", flat=True))
    for invitation, uses in ((alone, 1), (many, places)):
        invitation.refresh_from_db()
        assert (invitation.uses, invitation.status) == (uses, "accepted")
        assert Acceptance.objects.filter(invitation=invitation).count() == uses
    books.check_invitations()
    # Whoever was told that they have an account has one.
    assert set(crowd.claimed) <= there
    # Nobody met an error but those whose request was under way on the lost node.
    assert set(crowd.lost) <= {crowd.doomed}
    assert len(there) - len(crowd.claimed) <= len(crowd.lost) <= arena.threads
    assert len(crowd.claimed) + len(crowd.lost) + crowd.outcomes.total() == ATTEMPTS
    print(f"{len(crowd.lost)} lost, {crowd.outcomes}")  # noqa: T201 (the figures are in the docs)
