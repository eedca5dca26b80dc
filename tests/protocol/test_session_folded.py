"""The token of a client session is folded if it names many servers. The token stays small, and the session keeps its
guarantees (Terry 1994, section 4)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bayou.errors import Behind, TooLarge
from bayou.session_token import ENTRIES_MAX, GUARANTEES, TOKEN_BYTES_MAX, Token
from bayou.state import Vector
from storage.store import Store
from tests.support.engine_harness import Cluster, Replica, meet
from tests.support.toy import draft

HISTORY = json.dumps([[0, "one~aaaaaa", 1], [2, "two~bbbbbb", 50]])
MANY = {f"{stamp:016d}:one~aaaaaa": stamp + 5 for stamp in range(1000, 6000, 5)}


def serves(replica: Store, token: Token, view: str = "tentative") -> bool:
    """Return whether the replica answers a read of this session."""
    try:
        replica.read((), token.needs_of_read(GUARANTEES), view)
    except Behind as behind:
        return not behind.details["missing"]  # the details are never empty
    return True


def read(replica: Replica, token: Token) -> Token:
    """Read at a replica. Return the session token after the read, folded by `fold`."""
    seen = replica.read(())
    return fold(token.after_read(seen.vector), seen.committed_vector, seen.csn, seen.history)


def fold(token: Token, committed: Vector, csn: int, history: str) -> Token:
    """Fold a token. Only long tokens can be folded, so first add the entries MANY to the token and to the committed
    vector. Folding drops these entries again."""
    large = replace(token, read={**token.read, **MANY})
    found = large.folded({**committed, **MANY}, csn, history)
    assert not set(found.read) & set(MANY)
    return found


def test_a_small_token_is_not_folded() -> None:
    token = Token({f"s{number}~aaaaaa": 5 for number in range(ENTRIES_MAX)}, {"one~aaaaaa": 5})
    assert token.folded(token.read, 100, HISTORY) is token


def test_committed_entries_are_folded_into_one_and_the_others_stay() -> None:
    token = Token({**MANY, "two~bbbbbb": 9, "four~cccccc": 3, "#0/one~aaaaaa": 49, "#1/x~aaaaaa": 3}, {"two~bbbbbb": 9})
    committed = {"one~aaaaaa": 10**6, "two~bbbbbb": 8}  # all of MANY have retired
    assert token.folded(committed, 77, HISTORY) == Token(
        {"two~bbbbbb": 9, "four~cccccc": 3, "#1/x~aaaaaa": 3, "#2/two~bbbbbb": 77}, {"two~bbbbbb": 9}
    )
    assert token.born("one~aaaaaa").folded(committed, 77, HISTORY).birth == token.born("one~aaaaaa").birth != ""
    assert "#0/one~aaaaaa" in Token({**MANY, "#0/one~aaaaaa": 50}).folded(committed, 77, HISTORY).read


def test_the_size_of_a_token_is_bounded() -> None:
    for count in (150, 500, 5000):
        seen = {f"{stamp:016d}:one~aaaaaa": stamp + 5 for stamp in range(count)}
        folded = Token(seen, seen).folded({"one~aaaaaa": 10**6}, 7, HISTORY)
        assert len(folded.encode()) < 200
        assert Token.decode(folded.encode()) == folded
    tentative = Token({f"s{number}~{number:06}": 10**15 + number**3 for number in range(1000)})
    with pytest.raises(TooLarge, match="begins a new client session") as refusal:
        tentative.folded({}, 0, HISTORY)
    assert refusal.value.details == {"bytes_max": TOKEN_BYTES_MAX}


def test_a_replica_serves_a_folded_session_once_it_holds_the_commits() -> None:
    one, two, three = Cluster()
    two.note("n1", "p")
    meet(two, one)
    two.note("n2", "p")
    token = read(two, Token())
    epoch = f"#0/{one.state().server}"
    assert token.read[epoch] == 1
    assert not serves(three, token)  # it has neither the commit nor n2
    meet(three, one)
    assert not serves(three, token)  # it has the commit
    meet(three, two)
    assert serves(three, token)
    assert serves(two, token, "committed") is False
    needs = token.needs_of_write(GUARANTEES)
    assert three.accept(draft("note", "n3", ("p",)), three.clock.tick(), needs).id
    with pytest.raises(Behind):
        one.accept(draft("note", "n4", ("p",)), one.clock.tick(), needs)


def test_revoked_commits_serve_no_folded_session() -> None:
    one, two, three = Cluster()
    meet(two, one)
    three.force(f"{three.label}~zzzzzz", three.clock.tick())
    one.note("n1", "p")
    meet(two, one)
    token = read(two, Token())
    assert serves(one, token)
    meet(two, three)
    meet(one, two)
    assert not serves(two, token)
    assert not serves(one, token)
    assert serves(two, read(two, Token()))
