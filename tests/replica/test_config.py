"""The configuration. Valid settings are accepted, and each error names the line and the setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from replica.config import Address, ConfigError, load, parse

HERE = Path("somewhere/config.yaml")
REPLICAS = "replicas: {one: {rest: 127.0.0.1:8001, anti_entropy: 127.0.0.1:9001}}\n"
SMALL = "cluster: c\nprimary: one\n" + REPLICAS


def errors_in(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, HERE)
    return [problem.removeprefix("somewhere/config.yaml:") for problem in caught.value.problems]


def test_the_supplied_file_is_valid() -> None:
    config = load(Path(__file__).parent.parent.parent / "config.yaml")
    assert list(config.replicas) == ["one", "two", "three"]
    assert [room.name for room in config.rooms] == ["6.12", "6.13", "7.01"]
    assert config.rooms[1].hours == (480, 1200)
    assert config.replica("two").rest == Address("127.0.0.1", 8002)
    assert config.redis_of("two") == "embedded"
    assert config.data == Path(__file__).parent.parent.parent / "data"


def test_defaults() -> None:
    config = parse(SMALL, HERE)
    assert (config.timezone, config.redis, config.commit, config.rooms) == ("UTC", "embedded", "auto", ())
    assert config.data == Path("somewhere/data")
    assert (config.anti_entropy.interval_s, config.anti_entropy.debounce_ms) == (5.0, 10)
    assert (config.anti_entropy.partners, config.log.keep_committed, config.log.keep_for_days) == ("all", None, 7.0)


def test_values_stay_as_typed() -> None:
    config = parse(SMALL + "rooms: [6.10, 007, yes, 2026-01-01]\nusers: [1e3]\n", HERE)
    assert [room.name for room in config.rooms] == ["6.10", "007", "yes", "2026-01-01"]
    assert config.users == ("1e3",)


def test_targets_of_notifications() -> None:
    mail = "mailtos://rooms:secret@mail.example.org?from=rooms@example.org&to={user}@example.org&mode=ssl"
    config = parse(SMALL + f"notify:\n  - '{mail}'\n  - {{command: [/bin/sh, -c, cat]}}\n", HERE)
    assert [target.name for target in config.notify] == ["mail through mail.example.org:465", "command /bin/sh"]
    assert "secret" not in repr(config)
    assert len(parse(SMALL + "notify: mailto://h?from=a@b.c&to=a@b.c", HERE).notify) == 1


def test_a_replica_may_have_its_own_redis() -> None:
    replicas = "replicas: {one: {rest: '[::1]:8001', anti_entropy: h:1, redis: 'unix:///tmp/r.sock'}}"
    config = parse(f"cluster: c\nprimary: one\nredis: rediss://u:p@h:6379/2\n{replicas}", HERE)
    assert config.redis_of("one") == "unix:///tmp/r.sock"
    assert str(config.replica("one").rest) == "[::1]:8001"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cluster: [", "1: this is not YAML: expected the node content, but found '<stream end>'"),
        ("- 1", "1: the file must have settings, such as `cluster: building-6`"),
        ("", "1: the file must have settings, such as `cluster: building-6`"),
        (SMALL + "cluster: d", "4: cluster appears twice (first on line 1)"),
        ("cluster: c\nrooms: &all\n  - *all", "2: rooms[0] contains itself"),
        (SMALL + "? [a]\n: b", "4: the file has a key that is not a text"),
        ("cluster: c\n" + REPLICAS, "1: primary: is missing"),
        (
            SMALL + "applications: [records, rom]",
            "4: applications[1]: 'rom' is not one of the applications (rooms, play",
        ),
        (SMALL + "applications: []", "4: applications: Tuple should have at least 1 item"),
        (
            SMALL + "applications: [records]\nauth: tokens",
            "4: applications: with `auth: tokens` add `people` to this list, because the application `people` stores",
        ),
        (
            SMALL + "color: red",
            "4: color: there is no such setting; the settings here are cluster, timezone, redis, data",
        ),
        (
            SMALL + "anti_entropy:\n  every: 5",
            "5: anti_entropy.every: there is no such setting; the settings here are int",
        ),
        (SMALL + "notify: rooms@example.org", "4: notify[0]: a target is a URL, such as mailto://HOST?from="),
        (
            SMALL + "notify:\n  - mailto://h?from=a@b.c",
            "5: notify[0]: `to` must be an address; write mailto://HOST?from=",
        ),
        (SMALL + "notify: mailto://h?to=a@b.c&from=a,b@c", "4: notify[0]: `from` must be an address"),
        (SMALL + "notify: 'mailto://h?to=a@b.c&from={user}@c.d'", "4: notify[0]: `from` must be an address"),
        (SMALL + "notify: mailto://u:p@h?from=a@b.c&to=a@b.c", "4: notify[0]: a password would be sent unencrypted"),
        (
            SMALL + "notify: mailto://h?from=a@b.c&to=a@b.c&cc=a@b.c",
            "4: notify[0]: 'cc' is not allowed in a mail target",
        ),
        (SMALL + "notify: [nonsense://x]", "4: notify[0]: apprise does not accept this nonsense:// URL; see https://"),
        (SMALL + "notify: {command: tell}", "4: notify[0]: `command` must be a list of a program and its arguments"),
        (SMALL + "notify:\n- {command: [/no/such]}", "5: notify[0]: there is no program '/no/such' that can be run"),
        (SMALL + "anti_entropy: {interval_s: soon}", "4: anti_entropy.interval_s: Input should be a valid number"),
        (SMALL + "anti_entropy: {jitter: 2}", "4: anti_entropy.jitter: Input should be less than or equal to 1"),
        (SMALL + "anti_entropy: {interval_s: .nan}", "4: anti_entropy.interval_s: Input should be"),
        (
            SMALL + "anti_entropy: {after_write: perhaps}",
            "4: anti_entropy.after_write: Input should be a valid boolean",
        ),
        (
            SMALL + "anti_entropy:\n  partners: some",
            "5: anti_entropy.partners: 'some' is not one of all, random, primary_first",
        ),
        (
            SMALL + "anti_entropy:\n  partners: [one, two]",
            "5: anti_entropy.partners[1]: 'two' is not one of the replicas (one)",
        ),
        (SMALL + "anti_entropy: {partners: [one, one]}", "4: anti_entropy.partners: 'one' appears twice"),
        (SMALL + "log:\n  keep_committed: -1", "5: log.keep_committed: Input should be greater than or equal to 0"),
        (SMALL + "log: {keep_for_days: long}", "4: log.keep_for_days: Input should be a valid number"),
        (
            SMALL + "log: {keep: 1}",
            "4: log.keep: there is no such setting; the settings here are keep_committed, keep_for_days",
        ),
        (SMALL + "timezone: Europe/Bruxelles", "4: timezone: there is no time zone 'Europe/Bruxelles'"),
        (SMALL + "timezone: ../../etc/passwd", "4: timezone: there is no time zone"),
        (SMALL + "timezone: Europe", "4: timezone: there is no time zone"),
        (SMALL + "redis: http://h", "4: redis: the value must be embedded, memory, or a URL"),
        (SMALL + "redis: redis://", "4: redis: the value must be embedded, memory, or a URL"),
        (SMALL + "redis: redis://h:x", "4: redis: the value must be embedded, memory, or a URL"),
        (SMALL + "commit: never", "4: commit: Input should be 'auto' or 'manual'"),
        (SMALL + "rooms: 6.12", "4: rooms: should be a list, not '6.12'"),
        (SMALL + "rooms:\n  - a\n  - a/b", "6: rooms[1].name: 'a/b' cannot be used; give a name without /"),
        (SMALL + "rooms:\n  - a\n  - {name: a}", "4: rooms: 'a' appears twice"),
        (SMALL + "rooms:\n  - {capacity: 3}", "5: rooms[0].name: is missing"),
        (SMALL + "rooms:\n  - {name: a,\n     seats: 3}", "6: rooms[0].seats: there is no such setting; the settings"),
        (SMALL + "rooms:\n  - name: a\n    capacity: many", "6: rooms[0].capacity: Input should be a valid integer"),
        (SMALL + "rooms: [{name: a, opens: 8}]", "4: rooms[0].opens: must be a time of day HH:MM"),
        (
            SMALL + "rooms: [{name: a, opens: '09:00', closes: '08:00'}]",
            "4: rooms[0]: `closes` must be later than `opens`",
        ),
        (SMALL + "rooms: [{name: a, features: ['x', 'x']}]", "4: rooms[0].features: 'x' appears twice"),
        (SMALL + "policies: {longest_h: 0}", "4: policies.longest_h: Input should be greater than 0"),
        (SMALL + "policies:\n  longest: 8", "5: policies.longest: there is no such setting; the settings here are sho"),
        (SMALL + "rooms: [a, a]", "4: rooms: 'a' appears twice"),
        (SMALL + "users: [a b]", "4: users[0]: 'a b' is not a name"),
        (SMALL + "data:", "4: data: "),
        ("cluster: c\nprimary: two\n" + REPLICAS, "2: primary: 'two' is not one of the replicas (one)"),
        ("cluster: c\nprimary: one\nreplicas: {}", "3: replicas: "),
        ("cluster: c\nprimary: A\nreplicas:\n  A: {rest: a:1, anti_entropy: a:2}", "4: replicas.A: 'A' is not a label"),
        (
            "cluster: c\nprimary: a\nreplicas:\n  a: {rest: a:0, anti_entropy: a:2}",
            "4: replicas.a.rest: an address must",
        ),
        (
            "cluster: c\nprimary: a\nreplicas:\n  a: {rest: '::1:5', anti_entropy: a:2}",
            "4: replicas.a.rest: an address must",
        ),
        (
            "cluster: c\nprimary: a\nreplicas:\n a: {rest: a:1, anti_entropy: a:2}\n b: {rest: a:2, anti_entropy: a:3}",
            "5: replicas.b.rest: a:2 is also the address of replicas.a.anti_entropy",
        ),
    ],
)
def test_an_error_names_line_and_setting(text: str, expected: str) -> None:
    assert [problem[: len(expected)] for problem in errors_in(text)] == [expected]


def test_all_errors_come_at_once_in_the_order_of_the_file() -> None:
    found = errors_in(SMALL + "timezone: Mars\ncommit: never\ncolor: red")
    assert [problem.partition(": ")[0] for problem in found] == ["4", "5", "6"]


def test_an_unknown_label_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"no replica 'on'; the configuration has one\. Did you mean one\?"):
        parse(SMALL, HERE).replica("on")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read: No such file.*--config"):
        load(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"cluster: \xe9")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load(tmp_path / "latin.yaml")


def test_a_joining_server_has_an_address_and_belongs_to_the_same_cluster() -> None:
    founders = parse(SMALL, HERE)
    config = founders.with_joined("four", Address("h", 1), Address("h", 2))
    assert config.replica("four").anti_entropy == Address("h", 2)
    assert (config.cluster_id, list(config.founders)) == (founders.cluster_id, ["one"])
    assert config.redis_of("four") == "embedded"


def test_the_cluster_id_depends_on_the_name_and_the_founders_only() -> None:
    two = "replicas: {b: {rest: a:1, anti_entropy: a:2}, a: {rest: a:3, anti_entropy: a:4}}"
    moved = "replicas: {a: {rest: b:1, anti_entropy: b:2}, b: {rest: b:3, anti_entropy: b:4}}"
    one = parse("cluster: c\nprimary: a\n" + two, HERE).cluster_id
    assert one.startswith("c-")
    assert parse("cluster: c\nprimary: b\ncommit: manual\n" + moved, HERE).cluster_id == one
    assert parse("cluster: d\nprimary: a\n" + two, HERE).cluster_id != one
    assert parse(SMALL, HERE).cluster_id != one
