"""Prepares a cluster for a class of students: `cluster.py class`. A class uses the replicas of a configuration, but
stores its data in a folder of its own."""

from __future__ import annotations

import threading
from pathlib import Path

import yaml

from cluster.processes import Processes
from cluster.waiting import wait_until
from replica import yaml_lines
from replica.config import ConfigError, load
from replica.free_addresses import listen

FOLDER = ".class"  # in the data folder of the configuration; no label of a replica has a dot
MEET_S_MAX = 60.0


def write_class_configuration(configuration: Path) -> Path:
    """Write a copy of a configuration for a class of students, and return the path of the copy. The copy names another
    data folder and only embedded Redis. So the data of the class can be deleted at any time.

    Raise ConfigError if users must log in, because the web page of the class acts at every replica without logging in.

    Raise Conflict if a process already listens at the REST address of a replica. This process may be a replica with
    real data, and the class would change this data.
    """
    settings = load(configuration)
    if settings.has_roles:
        raise ConfigError(
            f"{configuration}: auth: a class needs `auth: none`, because its page acts at every replica without"
            " logging in. Name another configuration with --config."
        )
    for replica in settings.replicas.values():
        listen(replica.rest).close()
    copied, _ = yaml_lines.read(configuration.read_text(encoding="utf-8"))
    folder = settings.data.resolve() / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    copied |= {"data": str(folder), "redis": "embedded"}
    if settings.tls is not None:
        copied["tls"] = str(settings.tls.resolve())
    for written in copied["replicas"].values():
        written.pop("redis", None)
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(copied, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def begin_class(processes: Processes, stopping: threading.Event) -> None:
    """Wait until every replica knows the primary. Then set every replica to manual pace. At manual pace, a replica
    starts no session by itself.

    Raise NotServing if a replica cannot start. Raise TooLong if a replica does not answer, or does not learn the
    primary in time. Raise Stopped once `stopping` is set.
    """
    processes.wait_until_serving(stopping=stopping)
    rests = [processes.rest(label) for label in processes.labels]

    def have_met() -> bool:
        return all(rest.get("/replica")["primary"]["label"] for rest in rests)

    wait_until(have_met, MEET_S_MAX, "all replicas know the primary", stopping)
    for rest in rests:
        rest.put("/replica/pace", {"pace": "manual"})
