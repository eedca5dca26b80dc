"""Decides whether two replicas can have a session. Each replica judges the hello of the other replica."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bayou.application import MEMBERSHIP
from bayou.errors import PeerRefusalCode
from bayou.frames import Hello, Refuse
from bayou.history import Holding, Verdict, judge
from bayou.state import State
from bayou.trust import check_clocks

LOGS_DIFFER = (
    "The committed logs of the two replicas differ. If a promotion was forced just now, the next session makes the logs"
    " equal. Otherwise an older copy of a replica's data has run. The replicas heal this by themselves after two"
    " sessions between the primary and the replica whose log differs. If the log of the same replica differs again"
    " within an hour, the replicas heal this only after the hour."
)
LOGS_FORK = (
    "The two replicas hold two different writes of one server. The two writes have the same place in the order of that"
    " server. So a server id was used twice: by a replica, and by a copy of that replica's data. The replicas heal this"
    " by themselves. When the primary has committed one of the two writes, the other write is made again under another"
    " id."
)
FORK_OF_MEMBERS = (
    "One replica holds a committed write of a server, and the other replica holds a different tentative write of the"
    " same server. The two writes have the same place in the order of that server. So a server id was used twice. The"
    " tentative write or a later write of the same server creates a server, retires a server or names a primary."
    " Therefore the tentative write cannot be made again under another id. Stop the replica that holds the tentative"
    " write, and start it again without its data. It then gets back what its peers hold. Writes that only this replica"
    " holds are lost."
)
WRITES_DIFFER = (
    "The two replicas hold different writes with the same id. So a server id was used twice, or a write was altered."
    " Look at the write in the log of the primary. The replica that holds a different write must start again without"
    " its data. This replica then gets back what its peers hold."
)
EARLY_PROMOTION = (
    "One of the two replicas sent a forced promotion as a tentative write. But a replica commits its own forced"
    " promotion at once. So the sender is faulty, or got the write from a faulty replica. Stop the sender, and start it"
    " again without its data. It then gets back what its peers hold. Do the same with each replica for which this error"
    " appears later."
)


def judge_hello(
    state: State, protocol: int, applications: Mapping[str, str], hello: Hello, now_us: int | None
) -> Refuse | tuple[Verdict, int]:
    """Return a Refuse if there can be no session. Otherwise return the verdict on the two histories, and the last CSN
    that both logs share. `now_us` is the wall clock. A hello from a file may be old: then `now_us` is None."""
    refusal = _check_release(state, protocol, applications, hello) or _check_identity(state, hello)
    if refusal is None and now_us is not None:
        refusal = check_clocks(state.label, now_us, hello)
    if refusal:
        return refusal
    verdict, common = judge(
        Holding(state.server, state.birth, state.met, state.history, state.csn),
        Holding(hello.server, hello.birth, hello.met, hello.history, hello.csn),
    )
    if verdict is Verdict.REFUSE:
        return Refuse(
            PeerRefusalCode.OTHER_BIRTH,
            f"{state.label} and {hello.label} belong to two clusters of the same name, each with its own first primary."
            " Choose one of the two clusters. Stop its replicas, and start these replicas again without their data.",
        )
    if (state.history, state.csn) == (hello.history, hello.csn) and state.last != hello.last:
        return Refuse(PeerRefusalCode.DIVERGED, LOGS_DIFFER)
    return verdict, common


def _check_release(state: State, protocol: int, applications: Mapping[str, str], hello: Hello) -> Refuse | None:
    if hello.protocol != protocol:
        return Refuse(
            PeerRefusalCode.OTHER_PROTOCOL,
            f"{state.label} uses protocol version {protocol} and {hello.label} uses version {hello.protocol}."
            " Run the same release on both.",
        )
    ours = state.label, applications, state.log_applications
    theirs = hello.label, hello.applications, hello.log_applications
    problem = problem_of_applications(*ours, *theirs[:2]) or problem_of_applications(*theirs, *ours[:2])
    return Refuse(PeerRefusalCode.OTHER_APPLICATIONS, problem) if problem else None


def problem_of_applications(
    label: str, applications: Mapping[str, str], log: Collection[str], other: str, applications_there: Mapping[str, str]
) -> str | None:
    """Return why the replica `other` cannot play the log of the replica `label`; None if `other` can play that log.

    log                 the tags of the applications whose writes are in that log
    applications        the applications that `label` can play: tag -> hash of the rules
    applications_there  the applications that `other` can play, in the same form
    """
    for tag, rules in applications.items():
        if applications_there.get(tag, rules) != rules:
            return (
                f"{label} and {other} have different rules for {tag}. Run the same release on both. If you have changed"
                " the rules of the application, give the application a new version."
            )
    missing = sorted(set(log) - {MEMBERSHIP, *applications_there})
    if missing:
        return (
            f"The log of {label} holds writes of applications that {other} cannot play: {', '.join(missing)}. Run the"
            f" release of {label} on {other} too."
        )
    return None


def _check_identity(state: State, hello: Hello) -> Refuse | None:
    if hello.cluster != state.cluster:
        return Refuse(
            PeerRefusalCode.OTHER_CLUSTER,
            f"{state.label} belongs to the cluster {state.cluster}, and {hello.label} belongs to the cluster"
            f" {hello.cluster}. Start both replicas with the same configuration file.",
        )
    if hello.server == state.server:
        return Refuse(
            PeerRefusalCode.SAME_SERVER,
            f"Both replicas have the id {state.server}. Check the addresses of the replicas in the configuration.",
        )
    return None
