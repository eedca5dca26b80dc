"""Starting over: deletes the data of the replicas that a configuration names."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from replica.config import Config, ConfigError, load
from storage.identity_file import FILE_NAME
from storage.redis.embedded import EmbeddedRedis
from storage.redis.lock import LOCK_FILE, lock_folder

IN_THE_FOLDER = {"embedded", "memory"}  # values of the setting `redis` that keep all data in the folder


def delete_data(configuration: Path) -> None:
    """Delete the data of all replicas of a configuration. Print which data is deleted and which folders stay. If a
    replica has ended but its Redis still runs, stop this Redis first.

    Only the folders DATA/LABEL of these replicas are changed. If one of these folders must not be deleted, nothing is
    deleted. Raise Conflict `already_running` if a replica runs. Raise ConfigError if a folder was not made by a
    replica, or if a replica has its data in a Redis elsewhere.
    """
    settings = load(configuration)
    folders = [settings.data / label for label in settings.replicas]
    problems = [*_elsewhere(settings), *(problem for folder in folders for problem in _not_of_a_replica(folder))]
    if problems:
        raise ConfigError(*[f"Nothing is deleted: {problem}" for problem in problems])
    with contextlib.ExitStack() as locks:
        for folder in folders:
            if folder.is_dir():  # also an empty one: a replica that has just started has locked it
                locks.callback(lock_folder(folder, "deletes its data").release)
        found = [folder for folder in folders if _contents(folder)]
        for folder in found:
            EmbeddedRedis(folder).stop_if_alive()
            for path in _contents(folder):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
            print(f"Deleted the data in {folder}.")
    if not found:
        print(f"There is nothing to delete: {settings.data} has no data of {', '.join(settings.replicas)}.")
    for folder in _others(settings):
        print(f"{folder} stays: {configuration} does not name this replica. Delete the folder yourself.")


def _elsewhere(settings: Config) -> list[str]:
    return [
        f"{label} has its data in the Redis at {settings.redis_of(label)}, which this command does not touch. There,"
        f" delete the keys that begin with bayou:{{{label}}}: and then delete the folder {settings.data / label}."
        for label in settings.replicas
        if settings.redis_of(label) not in IN_THE_FOLDER
    ]


def _not_of_a_replica(folder: Path) -> list[str]:
    """Return an empty list if the content of the folder may be deleted. Otherwise, return a list with the reason.

    A replica locks its folder before it writes anything else there. So a folder with content but without a lock file
    was not made by a replica.
    """
    if folder.is_symlink():
        return [f"{folder} is a symbolic link. Delete the folder that it leads to yourself."]
    if folder.exists() and not folder.is_dir():
        return [f"{folder} is not a folder. Name another data folder with `data` in the configuration."]
    if _contents(folder) and not (folder / LOCK_FILE).is_file():
        return [f"{folder} was not made by a replica. Name another data folder with `data` in the configuration."]
    return []


def _contents(folder: Path) -> list[Path]:
    """Return the paths in the folder, without the lock file. The lock file is never deleted, because another process
    may wait for the lock."""
    return sorted(path for path in folder.iterdir() if path.name != LOCK_FILE) if folder.is_dir() else []


def _others(settings: Config) -> list[Path]:
    """Return the data folders of replicas that the configuration does not name. Such a replica may have joined the
    cluster later."""
    return sorted(
        path.parent for path in settings.data.glob(f"*/{FILE_NAME}") if path.parent.name not in settings.replicas
    )
