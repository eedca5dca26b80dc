"""Runs the scripts of storage/lua/commands on one namespace, and decodes the replies of the scripts."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from redis import Redis, ResponseError

from bayou.application import LuaApplication, PageViews
from bayou.errors import Hung, PeerRefusalCode
from bayou.stamps import stamp_text
from storage.acknowledged import Acknowledged
from storage.keys import Namespace
from storage.members import MEMBERS
from storage.scripts import EMPTIED, HUNG, VERBS, rules_by_tag, script

_log = logging.getLogger(__name__)
_HUNG = re.compile(rf"^{HUNG} (\S+) (\S+)")  # before Redis adds the place in the script
_NOTE = re.compile(r"#([0-9]{1,16})")


class ScriptRunner:
    """Runs scripts on one replica's namespace in one Redis. `emptied` is called when a script finds that the namespace
    no longer exists. `running` maps the id of a thread to the start time (time.monotonic) of the script that the thread
    runs."""

    def __init__(
        self,
        client: Redis,
        label: str,
        applications: Sequence[LuaApplication],
        emptied: Callable[[], object] = lambda: None,
    ) -> None:
        self._redis: Any = client  # its annotations mix the replies of several kinds of client
        self._label = label
        self._emptied = emptied
        self._keys = Namespace(label)
        self.running: dict[int, float] = {}
        played = (MEMBERS, *applications)
        self._rules = rules_by_tag(played)
        self._hung: frozenset[str] = frozenset()
        self._acknowledged = Acknowledged()
        self._scripts = {verb: client.register_script(script(verb, played)) for verb in VERBS}

    def run(self, verb: str, *arguments: Any) -> Any:
        """Run the script lua/commands/VERB.lua in one transaction, and return its reply.

        After a ResponseError, the script has changed nothing. After any other RedisError, the script may have run; it
        is safe to run it again. Raises Hung, and changes nothing, if the play of a write did not end.
        """
        thread = threading.get_ident()
        self.running[thread] = time.monotonic()
        try:
            return self._scripts[verb](keys=[self._keys.prefix], args=arguments)
        except ResponseError as error:
            if found := _HUNG.match(str(error)):
                raise hung(*found.groups()) from None
            if EMPTIED in str(error):
                self._emptied()
            raise
        finally:
            del self.running[thread]

    def _note_hung(self, name: str, tag: str) -> None:
        """Record that the play of a write or of a draft did not end. This replica then does not play the write or the
        draft again. `name` is the id of the write, or the hash of the draft. `tag` is NAME/VERSION of the
        application."""
        if self._redis.hset(self._keys.hung, name, f"{tag} {self._rules[tag]}"):
            _log.warning("The Lua of %s ran for too long, so the script was stopped. The write: %s", tag, name)
        self._hung = self._hung | {name}

    def _load_hung(self) -> None:
        """Load the records that `_note_hung` has made. Delete a record if the rules of its application have changed."""
        found = {name.decode(): rules.decode() for name, rules in self._redis.hgetall(self._keys.hung).items()}
        known = {f"{tag} {its_hash}" for tag, its_hash in self._rules.items()}
        for name in [name for name, rules in found.items() if rules not in known]:
            self._redis.hdel(self._keys.hung, name)
            del found[name]
        self._hung = frozenset(found)


def hung(write: str, tag: str) -> Hung:
    """Return the refusal for a play that does not end. `write` is the id of the write that was played; it is empty for
    the draft of a client's request, because a draft has no id. `tag` is NAME/VERSION of the application."""
    played = f"the write {write}" if write else "this request"
    return Hung(
        PeerRefusalCode.PLAY_HUNG,
        f"The Lua of {tag} does not end when this replica plays {played}. The play was stopped, and nothing"
        " was changed. This replica does not repeat the play. Start the replicas with a release that corrects the"
        f" Lua of {tag}.",
        write=write,
        application=tag,
    )


# Redis returns flat lists of names and values as bytes. Text in the JSON of Lua is decoded already, and there an empty
# list is an object.


def rows(flat: Iterable[Any], width: int) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a flat list, each of `width` values."""
    values = iter(flat)
    return zip(*[values] * width, strict=True)


def text_map(flat: Sequence[bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in rows(flat, 2)}


def json_map(flat: Sequence[str]) -> dict[str, str]:
    each = iter(flat)
    return dict(zip(each, each, strict=True))


def json_vector(flat: Sequence[str]) -> dict[str, int]:
    return {server: int(stamp) for server, stamp in json_map(flat).items()}


def vector_texts(vector: Mapping[str, int]) -> dict[str, str]:
    """Return a vector in the form that Lua takes: its stamps are texts."""
    return {server: stamp_text(stamp) for server, stamp in vector.items()}


def page_views(committed: Mapping[str, str], tentative: Mapping[str, str] | None) -> PageViews:
    """Return the views of a page. `committed` has the committed fields and the notes of the page. `tentative` has the
    fields of the tentative copy, or is None if there is no copy."""
    noted = [name for name in committed if name.startswith("#")]
    fields = {name: value for name, value in committed.items() if name not in noted} if noted else committed
    notes = {int(name[1:]): committed[name] for name in noted if _NOTE.fullmatch(name)}
    return PageViews(tentative=fields if tentative is None else tentative, committed=fields, notes=notes)
