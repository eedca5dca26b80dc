"""The bad network: a TCP proxy in front of each replica for each of its peers, which delays, stalls, cuts and resets.

One thread with one asyncio loop carries them all. A wire runs from a caller to a listener; its weather changes by
itself until `heal`. It knows addresses and bytes, and nothing of what they mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections.abc import Iterable

CHUNK_BYTES = 64 * 1024
FAIR, SLOW, STALLED, CUT = "fair", "slow", "stalled", "cut"
WEATHER = (FAIR, FAIR, FAIR, SLOW, STALLED, CUT)
LASTS_S = (0.3, 4.0)
STALL_LONG_S = 65.0  # longer than a session may last
STALL_LONG_SHARE = 0.02
SLOW_S_MAX = 0.15
RESET_SHARE = 0.3  # of changes of the weather: what is open is reset, in the middle of whatever it carries
HEALED_S = 5.0


class Wire:
    """One caller's way to one listener."""

    def __init__(self, caller: str, listener: str, target: tuple[str, int], chance: random.Random) -> None:
        self.caller, self.listener, self.target = caller, listener, target
        self.port = 0
        self.weather = FAIR
        self.resets = 0
        self._chance = chance
        self._changed = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()

    def turn(self, weather: str) -> None:
        self.weather = weather
        self._changed.set()
        self._changed = asyncio.Event()
        if weather == CUT:
            self.reset()

    def reset(self) -> None:
        """Both ends of what is open hear of a reset, not of an orderly end."""
        self.resets += len(self._open)
        for writer in list(self._open):
            writer.transport.abort()

    async def live(self) -> None:
        """The weather of this wire, for as long as nobody cancels it."""
        while True:
            weather = self._chance.choice(WEATHER)
            long = weather == STALLED and self._chance.random() < STALL_LONG_SHARE
            self.turn(weather)
            await asyncio.sleep(STALL_LONG_S if long else self._chance.uniform(*LASTS_S))
            if self._chance.random() < RESET_SHARE:
                self.reset()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the caller."""
        if self.weather == CUT:
            writer.transport.abort()
            return
        try:
            onward_reader, onward = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, onward}
        self._open |= both
        try:
            await asyncio.gather(self._pump(reader, onward), self._pump(onward_reader, writer))
        finally:
            self._open -= both
            for end in both:
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                while self.weather == STALLED:
                    await self._changed.wait()
                if self.weather == SLOW:
                    await asyncio.sleep(self._chance.uniform(0, SLOW_S_MAX))
                writer.write(data)
                await writer.drain()
            writer.write_eof()


class Network:
    """All wires of a cluster: `targets` gives each replica's true address. Used as a context."""

    def __init__(self, targets: dict[str, tuple[str, int]], seed: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wires", daemon=True)
        self._servers: list[asyncio.Server] = []
        self._lives: list[asyncio.Task[None]] = []
        self.wires = [
            Wire(caller, listener, targets[listener], random.Random(f"{seed}/{caller}/{listener}"))
            for caller in targets
            for listener in targets
            if caller != listener
        ]

    def __enter__(self) -> Network:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def address(self, caller: str, listener: str) -> str:
        """Where the caller finds the listener."""
        found = next(wire for wire in self.wires if (wire.caller, wire.listener) == (caller, listener))
        return f"127.0.0.1:{found.port}"

    def break_out(self) -> None:
        """The weather begins."""
        self._do(self._begin())

    def heal(self) -> int:
        """Fair weather from now on; how many connections were reset meanwhile."""
        self._do(self._calm())
        return sum(wire.resets for wire in self.wires)

    def drop(self, label: str) -> None:
        """Reset whatever is open from or to this replica."""
        self._do(self._drop([wire for wire in self.wires if label in {wire.caller, wire.listener}]))

    def _do(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(HEALED_S)  # type: ignore[arg-type]

    async def _listen(self) -> None:
        for wire in self.wires:
            server = await asyncio.start_server(wire.carry, "127.0.0.1", 0)
            wire.port = server.sockets[0].getsockname()[1]
            self._servers.append(server)

    async def _begin(self) -> None:
        self._lives = [asyncio.create_task(wire.live()) for wire in self.wires]

    async def _calm(self) -> None:
        await self._cancel(self._lives)
        for wire in self.wires:
            wire.turn(FAIR)

    async def _drop(self, wires: Iterable[Wire]) -> None:
        for wire in wires:
            wire.reset()

    async def _close(self) -> None:
        await self._calm()
        for server in self._servers:
            server.close()
        for wire in self.wires:
            wire.reset()
        current = asyncio.current_task()
        await self._cancel([task for task in asyncio.all_tasks() if task is not current])

    async def _cancel(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
