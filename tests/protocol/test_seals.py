"""With TLS, a replica takes only commits that the primary has signed, whether they come from a peer or from a file.

As in test_lying_peer.py, the lying peer runs our own code; only its frames are altered before they reach the victim.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bayou.errors import Conflict
from bayou.export import Head, Importer, export_volumes
from bayou.frames import Batch, Frame, Hello, StateChunk, StateFinish
from bayou.payloads import ListPart, Seal, Selection, StatePages, StateProof
from bayou.seals import BEGINNING, epochs_at, folded, folded_part, text_of_commits, text_of_state
from replica.anti_entropy.protobuf_codec import decode, encode
from storage.members import membership_draft
from tests.protocol.test_lying_peer import LIAR, Scene, copy_of, take_all
from tests.support.churn import create
from tests.support.engine_harness import Cluster, Meeting, Replica, clock_of, meet
from tests.support.signing import signing_of
from tests.support.toy import RULES, write_of


@pytest.fixture
def scene() -> Scene:
    return Scene(signed=True)


def sealed_by(replica: Replica, selection: Selection) -> Selection:
    """Seal the commits of a selection with the key of a replica that is not the primary."""
    assert replica.signing is not None
    bodies = [found.body for found in selection.items]
    csn = selection.after_csn + len(bodies)
    text = text_of_commits("test", epochs_at(selection.history, csn), csn, folded(BEGINNING, bodies))
    seal = Seal(csn, BEGINNING, b"", replica.signing.certificate, replica.signing.sign(text))
    return replace(selection, seals=(seal,))


def sent(initiator: Replica, responder: Replica) -> list[Batch]:
    """Return the batches that the initiator would send to the responder, without delivering them."""
    meeting = Meeting(initiator, responder)
    (frame,) = [meeting.wires[0].popleft()]
    return [one for one in meeting.ends[0].receive(frame) if isinstance(one, Batch)]


def signed_state(scene: Scene, by: Replica, **changed: Any) -> list[Frame]:
    """Return a forged full state that a replica has signed with its own key."""
    assert by.signing is not None
    part, finish = scene.state(**changed)
    assert isinstance(part, StateChunk)
    assert isinstance(finish, StateFinish)
    signature = by.signing.sign(text_of_state("test", folded_part(BEGINNING, part), finish.end))
    return [part, replace(finish, proof=StateProof(by.signing.certificate, signature, ()))]


def refused(scene: Scene, frames: list[Frame], code: str, to: Replica | None = None, hello: Hello | None = None) -> str:
    """Give a replica these frames in a session and in a file. Assert that both are refused with this code and change
    nothing. Return the message of the session's refusal."""
    victim, hello = to or scene.honest, hello or scene.hello
    before = victim.state()
    error = scene.tell(hello, *frames, to=victim).report.error
    assert error is not None
    assert error.code == code
    importer = Importer(victim, RULES, clock_of(victim), victim.signing)
    with pytest.raises(Conflict) as conflict:
        take_all(importer, [Head(hello, 0, {}, full_state=True), *frames])
    assert conflict.value.code == code
    after = victim.state()
    assert (after.csn, after.last, after.primary, after.history) == (
        before.csn,
        before.last,
        before.primary,
        before.history,
    )
    return error.message


def test_a_forged_commit_is_refused_and_names_the_sender_and_the_primary(scene: Scene) -> None:
    forged = scene.commit(scene.forged())
    message = refused(scene, [forged], "commit_not_signed")
    assert f"{scene.liar.label} has commits up to CSN 4" in message
    assert f"without a valid signature of the primary ({scene.victim.label}). So" in message
    by_liar = Batch(0, sealed_by(scene.liar, forged.selection))
    refused(scene, [by_liar], "commit_not_signed")
    meet(scene.honest, scene.victim)


def test_a_forged_hand_over_is_refused_even_with_a_seal_of_the_server_that_it_promotes(scene: Scene) -> None:
    state = scene.victim.state()
    args = {"from": state.server, "to": scene.liar.state().server, "label": scene.liar.label}
    stamp = state.vector[state.server] + 1
    hand_over = write_of(membership_draft("primary", "p", "now", args), stamp, state.vector[state.server], state.server)
    both = scene.commit(hand_over, scene.forged())
    refused(scene, [Batch(0, sealed_by(scene.liar, both.selection))], "commit_not_signed")


def test_a_forged_full_state_is_refused_and_leaves_no_entry_of_a_list(scene: Scene) -> None:
    before = scene.honest.dump()
    part, finish = scene.state()
    assert isinstance(part, StateChunk)
    part = replace(part, lists=(ListPart("forged", ("entry",)),))
    for frames in ([part, finish], signed_state(scene, scene.liar), signed_state(scene, scene.liar, primary=LIAR)):
        message = refused(scene, frames, "state_not_signed")
        assert f"The full state of {scene.liar.label} is not signed by {scene.victim.label}" in message
    assert scene.honest.list_entries("forged") == []
    pages = [key for key in scene.honest.dump() if key.startswith("c0:")]
    assert {key: before[key] for key in pages} == {key: scene.honest.dump()[key] for key in pages}


def test_a_replica_that_took_a_forged_commit_passes_it_on_to_nobody(scene: Scene) -> None:
    """The third replica took the forged commit before TLS was switched on. It passes the write on only as a tentative
    write."""
    third = scene.cluster.add("third")
    third.signing = signing_of(third.label)
    meet(third, scene.victim)
    third.signing = None
    forged = scene.forged()
    assert scene.tell(scene.hello, scene.commit(forged), to=third).report.error is None
    third.signing = signing_of(third.label)
    assert third.state().csn == scene.honest.state().csn + 1
    meet(third, scene.honest)
    state = scene.honest.state()
    assert (state.csn, state.vector[LIAR], state.tentative) == (3, forged.stamp, 1)


def altered(change: Callable[[Selection], Selection]) -> Callable[[Batch], Batch]:
    return lambda frame: replace(frame, selection=change(frame.selection))


def other_body(selection: Selection) -> Selection:
    first, *rest = selection.items
    return replace(selection, items=(replace(first, body=first.body.replace(b"late-0", b"late-x")), *rest))


def swapped(selection: Selection) -> Selection:
    one, two, *rest = selection.items
    items = (replace(two, csn=one.csn), replace(one, csn=two.csn), *rest)
    return replace(selection, items=items)


def without_first(selection: Selection) -> Selection:
    items = tuple(replace(item, csn=(item.csn or 0) - 1) for item in selection.items[1:])
    seals = tuple(replace(seal, csn=seal.csn - 1) for seal in selection.seals)
    return replace(selection, items=items, seals=seals)


def with_seals(**changed: Any) -> Callable[[Selection], Selection]:
    return lambda selection: replace(selection, seals=tuple(replace(seal, **changed) for seal in selection.seals))


ALTERED = {
    "another body": other_body,
    "another order": swapped,
    "a commit left out": without_first,
    "a commit left out, with the seal as it was": lambda selection: replace(
        without_first(selection), seals=selection.seals
    ),
    "another history": lambda selection: replace(
        selection, history=json.dumps([*json.loads(selection.history), [1, LIAR, 5]])
    ),
    "no seal": lambda selection: replace(selection, seals=()),
    "a seal that ends earlier": with_seals(csn=4),
    "a seal that ends later": with_seals(csn=9, after=bytes(32)),
    "another beginning": with_seals(before=b"x" * 32),
    "another signature": with_seals(signature=b"nothing"),
    "a certificate of the liar": with_seals(certificate=b"r1"),
}


@pytest.mark.parametrize("name", list(ALTERED))
def test_altered_commits_under_a_true_seal_are_refused(scene: Scene, name: str) -> None:
    for number in range(5):
        scene.victim.note(f"late-{number}", "p")
    (true,) = sent(scene.victim, scene.honest)
    assert len(true.selection.items) == 5
    refused(scene, [altered(ALTERED[name])(true)], "commit_not_signed")
    assert scene.tell(scene.hello, true, to=scene.honest).report.error is None
    assert scene.honest.state().csn == scene.victim.state().csn


def test_an_old_seal_changes_nothing_and_proves_no_other_commit(scene: Scene) -> None:
    scene.victim.note("late", "p")
    (true,) = sent(scene.victim, scene.honest)
    meet(scene.victim, scene.honest)
    meet(scene.victim, scene.liar)
    state = scene.honest.state()
    assert scene.tell(scene.hello, true, to=scene.honest).report.error is None  # it is known already
    assert scene.honest.state().csn == state.csn
    forged = scene.commit(scene.forged())
    refused(scene, [Batch(0, replace(forged.selection, seals=true.selection.seals))], "commit_not_signed")


def test_a_seal_of_another_epoch_is_refused(scene: Scene) -> None:
    """After a forced promotion, the old primary makes another commit. The liar sends this commit as a commit of the new
    epoch."""
    victim, honest = scene.victim, scene.honest
    put_back = copy_of(honest)
    victim.note("a", "p")
    meet(victim, scene.liar)
    victim.note("b", "p")
    (true,) = sent(victim, scene.liar)
    put_back()
    honest.force(f"{honest.label}~zzzzzz", scene.cluster.clock.tick())
    state = honest.state()
    assert state.csn == true.selection.after_csn
    mixed = replace(true.selection, after_id=state.last, history=state.history)
    hello = replace(scene.hello, csn=state.csn, last=state.last, history=state.history, digest="")
    refused(scene, [Batch(0, mixed)], "commit_not_signed", to=honest, hello=hello)


def test_an_altered_tentative_write_is_found_when_it_is_committed(scene: Scene) -> None:
    true, lie = scene.forged(), scene.forged()
    lie = replace(lie, request="altered")
    assert lie.id == true.id
    for to, write in ((scene.honest, lie), (scene.victim, true)):
        batch = Batch(0, Selection(0, "", (scene.commit(write).selection.items[0],)))
        bare = replace(batch.selection.items[0], csn=None)
        assert scene.tell(scene.hello, Batch(0, replace(batch.selection, items=(bare,))), to=to).report.error is None
    report = Meeting(scene.victim, scene.honest).run().ends[1].report
    assert report.code == "commit_not_signed"
    assert report.error is not None
    assert f"{scene.honest.label} holds an altered write" in report.error.message
    assert scene.honest.state().csn == 3


# What honest replicas do.


def test_seals_are_passed_on_and_stay_few() -> None:
    """The second replica gets some commits one by one, and other commits in batches. It gets the commits of its own
    writes as notifications. The third and the fourth replica never meet the primary."""
    cluster = Cluster(3, signed=True)
    primary, second, third = cluster.replicas
    for number in range(150):
        (primary if number % 3 else second).note(f"n{number}", "p", f"q{number}")
        meet(second, primary)
    for number in range(700):
        second.accept_only(f"m{number}", f"r{number % 50}")
    meet(second, primary)
    assert primary.state().csn == second.state().csn == 850
    meet(third, second)
    assert third.state().csn == 850
    fourth = cluster.add("fourth")
    for _ in range(2):
        meet(fourth, third)
    assert fourth.state().csn == 850
    for replica in (second, third, fourth):
        assert len(replica.client.zrange(replica.key("seals"), 0, -1)) < 12
    second.truncate(400)
    assert all(seal.csn > 450 for seal in second.seals(0))


@pytest.mark.parametrize("bytes_max", [1, 3000])
def test_a_part_of_what_a_seal_covers_is_proven_too(monkeypatch: pytest.MonkeyPatch, bytes_max: int) -> None:
    cluster = Cluster(2, signed=True)
    primary, second = cluster.replicas
    for number in range(40):
        primary.note(f"n{number}", "p")
    meet(second, primary)
    monkeypatch.setattr("bayou.sender.BATCH_BYTES_FIRST", bytes_max)
    monkeypatch.setattr("bayou.sender.BATCH_BYTES_MAX", bytes_max)
    third = cluster.add("third")
    meeting = meet(third, second)
    seals = [seal for frame in meeting.frames(Batch, 0) for seal in frame.selection.seals]
    assert any(seal.after for seal in seals)
    assert decode(encode(meeting.frames(Batch, 0)[0])) == meeting.frames(Batch, 0)[0]
    assert third.state().csn == second.state().csn
    fourth = cluster.add("fourth")
    meet(fourth, third)
    assert fourth.state().csn == second.state().csn


def test_a_hand_over_and_a_forced_promotion_are_followed_from_third_hand() -> None:
    cluster = Cluster(3, signed=True)
    one, two, three = cluster.replicas
    one.note("a", "p")
    meet(two, one)
    one.hand_over(two.state().server, cluster.clock.tick())
    meet(two, one)
    two.note("b", "p")
    meet(three, two)
    assert three.state().csn == 3
    three.force(f"{three.label}~zzzzzz", cluster.clock.tick())
    three.note("c", "p")
    fourth = cluster.add("fourth")
    meet(fourth, two)
    meet(fourth, three)
    fifth = cluster.add("fifth")
    meet(fifth, fourth)
    for replica in (fourth, fifth):
        assert (replica.state().csn, replica.state().primary) == (5, f"{three.label}~zzzzzz")
    # A full state also proves this to a replica that holds nothing.
    three.truncate(0)
    sixth = cluster.add("sixth")
    assert meet(sixth, three).ends[0].report.installed
    assert sixth.state().csn == 5
    three.hand_over(sixth.state().server, cluster.clock.tick())
    meet(sixth, three)
    sixth.note("d", "p")
    sixth.truncate(0)
    assert meet(one, sixth).ends[0].report.installed
    assert one.state().csn == 7
    # Only the primary may send a full state.
    meeting = Meeting(cluster.add("seventh"), one).run()
    assert meeting.ends[0].report.error is None
    assert meeting.ends[0].report.received == 0
    # A retired server must not count this session as a success.
    assert meeting.ends[1].report.code == "state_not_signed"
    assert meeting.ends[1].report.held is None


def test_a_created_server_may_be_the_primary() -> None:
    cluster = Cluster(1, signed=True)
    (one,) = cluster.replicas
    two = create(one, 1)
    two.signing = signing_of(two.label)
    meet(two, one)
    one.hand_over(two.state().server, cluster.clock.tick())
    meet(two, one)
    two.note("b", "p")
    meet(one, two)
    two.note("c", "p")
    third = cluster.add("third")
    meet(third, two)
    meet(one, third)
    assert one.state().csn == third.state().csn == two.state().csn == 4


def test_a_replica_that_yields_to_a_promotion_gets_the_state_from_the_new_primary_only() -> None:
    cluster = Cluster(3, signed=True)
    one, two, three = cluster.replicas
    three.force(f"{three.label}~zzzzzz", cluster.clock.tick())
    one.note("n", "p")
    meet(two, three)
    refusal = Meeting(one, two).run().ends[0].report.error
    assert refusal is not None
    assert refusal.code == "state_not_signed"
    assert f"{one.label} needs a full state. With TLS, only the primary can sign a full state" in refusal.message
    meet(one, three)
    assert one.state().primary == f"{three.label}~zzzzzz"
    meet(two, one)
    assert one.state().csn == two.state().csn == three.state().csn


def test_a_cluster_may_switch_tls_on_later() -> None:
    """When a peer asks for commits that were made before TLS, the primary signs and sends them. Any other replica sends
    these commits as tentative writes."""
    cluster = Cluster(3)
    one, two, three = cluster.replicas
    for number in range(100):
        one.note(f"a{number}", "p")
    meet(two, one)
    for replica in cluster:
        replica.signing = signing_of(replica.label)
    meet(three, two)
    state = three.state()
    assert (state.csn, state.tentative) == (0, 100)
    meet(three, one)
    assert three.state().csn == 100
    fourth = cluster.add("fourth")
    fourth.signing = signing_of(fourth.label)
    meet(fourth, three)
    assert fourth.state().csn == 100


def test_a_replica_that_missed_a_hand_over_before_tls_cannot_follow_until_a_forced_promotion() -> None:
    cluster = Cluster(3)
    one, two, three = cluster.replicas
    one.hand_over(two.state().server, cluster.clock.tick())
    meet(two, one)
    for replica in cluster:
        replica.client.delete(replica.key("primary_writes"))  # as an older release left it
        replica.signing = signing_of(replica.label)
    two.note("a", "p")
    meet(one, two)
    assert one.state().csn == 2
    two.truncate(0)
    error = Meeting(three, two).run().ends[0].report.error
    assert error is not None
    assert error.code == "state_not_signed"
    assert "promote one replica by force" in error.message
    one.force(f"{one.label}~zzzzzz", cluster.clock.tick())
    meet(three, one)
    meet(two, one)
    assert three.state().csn == two.state().csn == one.state().csn == 3


def test_a_file_carries_seals() -> None:
    cluster = Cluster(2, signed=True)
    one, two = cluster.replicas
    for number in range(10):
        one.note(f"a{number}", "p")
    third = cluster.add("third")
    take_all(Importer(third, RULES, clock_of(third), third.signing), export_volumes(one, RULES, 0, {}, 1, one.signing))
    assert third.state().csn == 10
    take_all(Importer(two, RULES, clock_of(two), two.signing), export_volumes(third, RULES, 0, {}, 1, third.signing))
    assert two.state().csn == 10
    one.truncate(0)
    two.truncate(0)
    fourth = cluster.add("fourth")
    frames = list(export_volumes(one, RULES, 0, {}, 1 << 20, one.signing))
    take_all(Importer(fourth, RULES, clock_of(fourth), fourth.signing), frames)
    assert fourth.state().csn == 10
    with pytest.raises(Conflict, match="Export from the primary") as conflict:
        list(export_volumes(two, RULES, 0, {}, 1 << 20, two.signing))
    assert conflict.value.code == "state_not_signed"
    pages = json.dumps([["p", "1", ["forged", "1"]]]).encode()
    forged = [
        replace(frame, pages=StatePages(1, pages)) if isinstance(frame, StateChunk) and frame.pages.count else frame
        for frame in frames
    ]
    fifth = cluster.add("fifth")
    with pytest.raises(Conflict) as conflict:
        take_all(Importer(fifth, RULES, clock_of(fifth), fifth.signing), forged)
    assert conflict.value.code == "state_not_signed"
    assert fifth.state().csn == 0
