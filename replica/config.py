"""The configuration: reads and checks config.yaml. Every error names the file, the line and the setting.

replica/yaml_lines.py returns every value as the text that was typed. The types in this module convert these texts, and
refuse unknown settings.
"""

from __future__ import annotations

import difflib
import hashlib
import ipaddress
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, PlainValidator, PrivateAttr, ValidationError

from apps import NAMES
from apps.rooms.settings import PolicySettings, Rooms, RoomSettings, Settings, unique
from apps.rooms.times import zone_named
from bayou.names import HOST, LABEL, NAME, split_address
from replica import yaml_lines
from replica.targets.message import Target
from replica.targets.read import read_target
from storage.redis.connect import check_setting

LOOPBACK = ("127.0.0.1", "::1")
PARTNERS = ("all", "random", "primary_first")
HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
# HOST:PORT of the control endpoint of `cluster.py up`, in the environment of the replicas that it starts.
CONTROL_VARIABLE = "BAYOU_CONTROL"


class ConfigError(Exception):
    """The configuration cannot be used. The message has one line for each problem."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Address:
    """The host and port at which a replica listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        return self.host in {"localhost", "::1"} or self.host.startswith("127.")


def read_address(value: Any) -> Address:
    """Read an address of the form HOST:PORT or [IPV6]:PORT. Raises ValueError for any other text."""
    found = split_address(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("an address must be HOST:PORT with a port from 1 to 65535, such as 127.0.0.1:8001")
    return Address(*found)


def _timezone(value: str) -> str:
    if zone_named(value) is None:
        raise ValueError(f"there is no time zone {value!r}; write it like Europe/Brussels or UTC")
    return value


def _like(pattern: re.Pattern[str], form: str) -> AfterValidator:
    """Return a validator that accepts only texts that match the pattern. `form` describes these texts in the error
    message."""

    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(f"{value!r} is not {form}")
        return value

    return AfterValidator(check)


Label = Annotated[str, _like(LABEL, "a label: a label has 1 to 32 of the characters a-z, 0-9, _ and -")]
Name = Annotated[
    str, _like(NAME, "a name: a name has 1 to 64 letters, digits or characters of ._@+- and is neither . nor ..")
]
Host = Annotated[str, _like(HOST, "a host name, such as rooms.example.org"), AfterValidator(str.lower)]
RedisUrl = Annotated[str, AfterValidator(check_setting)]


def _application(value: str) -> str:
    if value not in NAMES:
        raise ValueError(f"{value!r} is not one of the applications ({', '.join(NAMES)})")
    return value


def _ip_address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError(f"{value!r} is not an IP address, such as 10.0.6.1") from None


class ReplicaSettings(Settings):
    """The settings of one replica. `redis` is None unless the replica has its own Redis. `public` is the replica's host
    name behind a reverse proxy; None if there is no proxy."""

    rest: Annotated[Address, BeforeValidator(read_address)]
    anti_entropy: Annotated[Address, BeforeValidator(read_address)]
    redis: RedisUrl | None = None
    public: Host | None = None


def _partners(value: Any) -> Any:
    if isinstance(value, list):
        return unique(tuple(value))
    if value not in PARTNERS:
        raise ValueError(f"{value!r} is not one of {', '.join(PARTNERS)}, nor a list of replicas such as [one, two]")
    return value


class AntiEntropySettings(Settings):
    """The settings for sessions that start without a request.

    interval_s   seconds between rounds of sessions; 0 means no rounds
    jitter       the share of the interval by which each pause between rounds may vary
    after_write  whether a new write also starts sessions, `debounce_ms` later
    partners     the peers for the sessions: all, random, primary_first, or a list of labels
    """

    interval_s: Annotated[float, Field(ge=0, le=86_400)] = 5.0
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.2
    after_write: bool = True
    debounce_ms: Annotated[int, Field(ge=0, le=60_000)] = 10
    partners: Annotated[str | tuple[str, ...], BeforeValidator(_partners)] = "all"

    @property
    def is_automatic(self) -> bool:
        """True if some sessions start without a request."""
        return self.interval_s > 0 or self.after_write


class LogSettings(Settings):
    """The settings for the truncation of the log. The newest `keep_committed` commits stay in the log. Writes that were
    accepted in the last `keep_for_days` days stay too. Without `keep_committed`, only operators truncate the log."""

    keep_committed: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = None
    keep_for_days: Annotated[float, Field(ge=0, le=36_500)] = 7.0


Role = Literal["guest", "user", "manager"]
Header = Annotated[str, _like(HEADER, "the name of a header: it has letters, digits and -, such as X-Forwarded-User")]


class ProxyLoginSettings(Settings):
    """The settings for login through a trusted proxy: the headers that the proxy sends, and the roles of the users.

    user_header    the header with the name of the user
    groups_header  the header with the user's groups, separated by commas
    roles          the role of each group; a user who is in several of these groups has the highest role
    others         the role of a user who is in none of these groups
    """

    user_header: Header = "X-Forwarded-User"
    groups_header: Header = "X-Forwarded-Groups"
    roles: dict[str, Role] = Field(default_factory=dict)
    others: Role = "guest"


class RequestSettings(Settings):
    """The limits on the rate of requests; 0 means no limit.

    user_per_s     requests a second from each known user
    address_per_s  requests a second from the unknown users at one address

    A client may send the requests of ten seconds at once.
    """

    user_per_s: Annotated[float, Field(ge=0, le=1_000_000)] = 100.0
    address_per_s: Annotated[float, Field(ge=0, le=1_000_000)] = 400.0


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


Targets = Annotated[tuple[Annotated[Target, PlainValidator(read_target)], ...], BeforeValidator(_as_list)]


class Config(Settings):
    """The whole configuration.

    A relative path in `data` or `tls` is relative to the folder of the configuration file. Without `tls`, links are not
    encrypted. `applications` names the applications that the replicas play; None means all applications. `replicas` has
    the founders. On a server that has joined the cluster, `replicas` also has this server.
    """

    cluster: Name
    timezone: Annotated[str, AfterValidator(_timezone)] = "UTC"
    redis: RedisUrl = "embedded"
    data: Path = Path("data")
    primary: str
    commit: Literal["auto", "manual"] = "auto"
    auth: Literal["none", "tokens", "proxy"] = "none"
    proxy_login: ProxyLoginSettings = ProxyLoginSettings()
    tls: Path | None = None
    applications: Annotated[tuple[Annotated[str, AfterValidator(_application)], ...] | None, Field(min_length=1)] = None
    replicas: Annotated[dict[Label, ReplicaSettings], Field(min_length=1)]
    rooms: Rooms = ()
    policies: PolicySettings = PolicySettings()
    users: Annotated[tuple[Name, ...], AfterValidator(unique)] = ()
    anti_entropy: AntiEntropySettings = AntiEntropySettings()
    log: LogSettings = LogSettings()
    requests: RequestSettings = RequestSettings()
    proxies: Annotated[tuple[Annotated[str, AfterValidator(_ip_address)], ...], AfterValidator(unique)] = ()
    notify: Targets = ()
    _joined: str | None = PrivateAttr(default=None)

    def with_joined(self, label: str, rest: Address, anti_entropy: Address) -> Config:
        """Return the same configuration with this server added. The server is not a founder."""
        own = ReplicaSettings.model_construct(rest=rest, anti_entropy=anti_entropy, redis=None)
        config = self.model_copy(update={"replicas": {**self.replicas, label: own}})
        config._joined = label
        return config

    @property
    def has_roles(self) -> bool:
        """True if clients must show who they are. In that case, people have roles."""
        return self.auth != "none"

    @property
    def founders(self) -> dict[str, ReplicaSettings]:
        """The replicas that the configuration names."""
        return {label: replica for label, replica in self.replicas.items() if label != self._joined}

    def replica(self, label: str) -> ReplicaSettings:
        """Return the settings of one replica. Raises ConfigError if there is no such label."""
        if label not in self.replicas:
            raise ConfigError(self.unknown(label))
        return self.replicas[label]

    def unknown(self, label: str) -> str:
        """Return the error message for an unknown label."""
        close = difflib.get_close_matches(label, self.replicas, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        return f"There is no replica {label!r}; the configuration has {', '.join(self.replicas)}.{hint}"

    def redis_of(self, label: str) -> str:
        """Return the setting `redis` of a replica. A replica without its own setting uses the setting of the
        cluster."""
        return self.replica(label).redis or self.redis

    def proxies_of(self, label: str) -> Collection[str]:
        """Return the addresses of the trusted proxies. A replica accepts the header X-Forwarded-For only from these
        addresses. Without the setting `proxies`, the proxy of a replica with a public name runs on the same machine. So
        the function returns the loopback addresses for this replica."""
        return self.proxies or (LOOPBACK if self.replica(label).public else ())

    @property
    def cluster_id(self) -> str:
        """The id of the cluster, NAME-DIGEST. The digest is computed from the name of the cluster and the labels of its
        founders. So two clusters with different founders have different ids."""
        founders = json.dumps([self.cluster, sorted(self.founders)], separators=(",", ":"))
        return f"{self.cluster}-{hashlib.sha256(founders.encode()).hexdigest()[:12]}"


def load(path: Path) -> Config:
    """Read and check a configuration file. Raises ConfigError with a line `FILE:LINE: SETTING: PROBLEM` for each
    problem."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. Name another file with --config.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text. Save the file as UTF-8.") from None
    return parse(text, path)


def parse(text: str, path: Path) -> Config:
    """Check a configuration that is given as text. `path` is the path of the configuration file: errors name the file,
    and relative paths in the configuration are relative to its folder."""
    try:
        data, lines = yaml_lines.read(text)
    except yaml_lines.YamlProblem as problem:
        raise ConfigError(f"{path}:{problem.line}: {problem.message}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}:1: the file must have settings, such as `cluster: building-6`")
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        found = [_problem(dict(problem)) for problem in error.errors()]
    else:
        found = list(_cross_check(config))
    if found:
        in_order = sorted(found, key=lambda problem: lines.of(problem[0]))
        raise ConfigError(*[_line(path, lines, where, what) for where, what in in_order])
    folders = {"data": path.parent / config.data, "tls": config.tls and path.parent / config.tls}
    return config.model_copy(update=folders)


def _line(path: Path, lines: yaml_lines.Lines, where: yaml_lines.Path, what: str) -> str:
    return f"{path}:{lines.of(where)}: {yaml_lines.path_text(where)}: {what}"


def _problem(problem: Mapping[str, Any]) -> tuple[yaml_lines.Path, str]:
    """Convert one of pydantic's errors to a pair (setting, message)."""
    where = tuple(part for part in problem["loc"] if part != "[key]")
    if problem["type"] == "extra_forbidden":
        return where, f"there is no such setting{_known_settings(where)}"
    if problem["type"] == "missing":
        return where, "is missing"
    if problem["type"] == "value_error":
        return where, str(problem["ctx"]["error"])
    wanted = {"string_type": "should be a text", "tuple_type": "should be a list", "model_type": "should be settings"}
    message = wanted.get(problem["type"]) or str(problem["msg"])
    value = problem["input"]
    return where, message + (f", not {value!r}" if isinstance(value, str) else "")


def _known_settings(where: yaml_lines.Path) -> str:
    models: dict[str | int | None, type[BaseModel]] = {
        None: Config,
        "replicas": ReplicaSettings,
        "anti_entropy": AntiEntropySettings,
        "log": LogSettings,
        "requests": RequestSettings,
        "proxy_login": ProxyLoginSettings,
        "rooms": RoomSettings,
        "policies": PolicySettings,
    }
    model = models[where[0] if len(where) > 1 else None]
    return f"; the settings here are {', '.join(model.model_fields)}"


def _cross_check(config: Config) -> Iterator[tuple[yaml_lines.Path, str]]:
    if config.primary not in config.replicas:
        yield ("primary",), f"{config.primary!r} is not one of the replicas ({', '.join(config.replicas)})"
    if config.auth == "proxy" and not config.proxies:
        message = "needs the setting `proxies`: the addresses of the trusted proxies, such as [127.0.0.1]"
        yield ("auth",), f"'proxy' {message}"
    if config.has_roles and config.applications is not None and "people" not in config.applications:
        yield (
            ("applications",),
            f"with `auth: {config.auth}` add `people` to this list, because the application `people` stores the roles",
        )
    listed = config.anti_entropy.partners
    for number, label in enumerate(listed if isinstance(listed, tuple) else ()):
        if label not in config.replicas:
            message = f"{label!r} is not one of the replicas ({', '.join(config.replicas)})"
            yield ("anti_entropy", "partners", number), message
    taken: dict[Address, str] = {}
    for label, settings in config.replicas.items():
        for use, address in (("rest", settings.rest), ("anti_entropy", settings.anti_entropy)):
            where = ("replicas", label, use)
            if address in taken:
                yield where, f"{address} is also the address of {taken[address]}"
            taken.setdefault(address, yaml_lines.path_text(where))
