"""An unreliable network between the replicas. TCP proxies delay, stall, cut and reset connections. With network
namespaces, packet filters also drop packets, in one direction or in both directions.

A proxy is called a wire. A wire leads from one caller to one listener, and forwards bytes unchanged. The state of a
wire is called the weather. The weather changes at random from `start_weather` until `heal`. All wires run in one
asyncio loop in one thread. The same thread changes the filters.

With namespaces, packets can be dropped in a single direction. Each wire has its own IP address. Two wires run between
replica A and replica B: one forwards the calls of A, the other forwards the calls of B. The packet filter of A can drop
all packets from the addresses of both wires. Then A receives nothing from B. The packets that A sends are not dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections import Counter
from collections.abc import Iterable

from tests.chaos.namespaces import Namespaces

CHUNK_BYTES = 64 * 1024
FAIR, SLOW, STALLED, CUT = "fair", "slow", "stalled", "cut"
STALLED_THERE, STALLED_BACK = "stalled there", "stalled back"  # in the direction of the listener, of the caller
WEATHER = (FAIR, FAIR, FAIR, FAIR, SLOW, STALLED, STALLED_THERE, STALLED_BACK, CUT)
WEATHER_LASTS_S = (0.3, 4.0)
STALL_LONG_S = 65.0  # longer than a session may last
STALL_LONG_SHARE = 0.02
SLOW_S_MAX = 0.15
RESET_SHARE = 0.3  # share of weather changes that reset all open connections
LOSSES = (0.0, 0.0, 0.0, 0.0, 0.05, 0.3, 1.0)  # shares of the packets in one direction that are dropped
ACTION_S_MAX = 20.0
ACCEPT_ROUNDS = 5  # of the loop, until a new connection is accepted and carried; asyncio never closes one in between


class Wire:
    """The proxy for connections from one caller to one listener. The proxy listens at the address `host`, and connects
    to the listener from the same address."""

    def __init__(self, caller: str, listener: str, host: str, target: tuple[str, int], chance: random.Random) -> None:
        self.caller, self.listener, self.host, self.target = caller, listener, host, target
        self.port = 0
        self.weather = FAIR
        self.resets = 0
        self._chance = chance
        self._changed = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()

    def set_weather(self, weather: str) -> None:
        """Change the weather now. The weather CUT also resets all connections of the wire."""
        self.weather = weather
        self._changed.set()
        self._changed = asyncio.Event()
        if weather == CUT:
            self.reset()

    def reset(self) -> None:
        """Reset all connections of the wire at both ends, without an orderly close."""
        self.resets += len(self._open)
        for writer in list(self._open):
            writer.transport.abort()

    async def vary_weather(self) -> None:
        """At random intervals, change the weather of this wire, and sometimes reset its connections."""
        while True:
            weather = self._chance.choice(WEATHER)
            long = weather in {STALLED, STALLED_THERE, STALLED_BACK} and self._chance.random() < STALL_LONG_SHARE
            self.set_weather(weather)
            await asyncio.sleep(STALL_LONG_S if long else self._chance.uniform(*WEATHER_LASTS_S))
            if self._chance.random() < RESET_SHARE:
                self.reset()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection of the caller to the listener. Return when the connection ends or the network
        closes."""
        with contextlib.suppress(asyncio.CancelledError):
            await self._carry(reader, writer)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        try:
            if self.weather == CUT:
                return
            onward_reader, onward = await asyncio.open_connection(*self.target, local_addr=(self.host, 0))
            ends.add(onward)
            self._open |= ends
            await asyncio.gather(
                self._pump(reader, onward, {STALLED, STALLED_THERE}),
                self._pump(onward_reader, writer, {STALLED, STALLED_BACK}),
            )
        except OSError:
            return
        finally:  # also if the network closes while the listener has not answered yet
            self._open -= ends
            for end in ends:
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stalls: set[str]) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                while self.weather in stalls:
                    await self._changed.wait()
                if self.weather == SLOW:
                    await asyncio.sleep(self._chance.uniform(0, SLOW_S_MAX))
                writer.write(data)
                await writer.drain()
            writer.write_eof()


class Network:
    """A context manager that runs the connections between all replicas of a cluster. `targets` holds the real address
    of each replica. Without `namespaces`, no packets are dropped."""

    def __init__(self, targets: dict[str, tuple[str, int]], seed: str, namespaces: Namespaces | None) -> None:
        self.namespaces = namespaces
        self.faults: Counter[str] = Counter()  # of the packet filters
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wires", daemon=True)
        self._servers: list[asyncio.Server] = []
        self._weather_tasks: list[asyncio.Task[None]] = []
        self._chances = {label: random.Random(f"{seed}/packets to {label}") for label in targets}
        self.wires = [
            Wire(
                caller,
                listener,
                namespaces.wire_address() if namespaces else "127.0.0.1",
                targets[listener],
                random.Random(f"{seed}/{caller}/{listener}"),
            )
            for caller in targets
            for listener in targets
            if caller != listener
        ]

    def __enter__(self) -> Network:
        self._thread.start()
        self._run_and_wait(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._run_and_wait(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def address(self, caller: str, listener: str) -> str:
        """Return HOST:PORT of the wire from the caller to the listener."""
        found = next(wire for wire in self.wires if (wire.caller, wire.listener) == (caller, listener))
        return f"{found.host}:{found.port}"

    def start_weather(self) -> None:
        """From now on, change the weather of all wires at random."""
        self._run_and_wait(self._start_weather())

    def heal(self) -> int:
        """End all network faults, and return how many connections were reset."""
        self._run_and_wait(self._stop_weather())
        return sum(wire.resets for wire in self.wires)

    def drop(self, label: str) -> None:
        """Reset all connections from and to this replica."""
        self._run_and_wait(self._drop([wire for wire in self.wires if label in {wire.caller, wire.listener}]))

    def _run_and_wait(self, work: object) -> None:
        """Run a coroutine in the loop of the wires, and wait until the coroutine has ended."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result(ACTION_S_MAX)  # type: ignore[arg-type]

    async def _listen(self) -> None:
        for wire in self.wires:
            server = await asyncio.start_server(wire.carry, wire.host, 0)
            wire.port = server.sockets[0].getsockname()[1]
            self._servers.append(server)

    async def _start_weather(self) -> None:
        self._weather_tasks = [asyncio.create_task(wire.vary_weather()) for wire in self.wires]
        if self.namespaces:
            self._weather_tasks += [
                asyncio.create_task(self._vary_loss(self.namespaces, label)) for label in self.namespaces.labels
            ]

    async def _vary_loss(self, namespaces: Namespaces, label: str) -> None:
        """At random intervals, choose new losses for the packets that this replica receives from each other replica."""
        chance = self._chances[label]
        while True:
            loss: dict[str, float] = {}
            drawn = {other: chance.choice(LOSSES) for other in namespaces.labels if other != label}
            for other, share in drawn.items():
                if share:
                    self.faults["one-way drops" if share == 1 else "losses"] += 1
                    loss |= {wire.host: share for wire in self.wires if {wire.caller, wire.listener} == {label, other}}
            namespaces.set_loss(label, loss)  # takes milliseconds; a proxy may be as late as that
            long = 1.0 in drawn.values() and chance.random() < STALL_LONG_SHARE
            await asyncio.sleep(STALL_LONG_S if long else chance.uniform(*WEATHER_LASTS_S))

    async def _stop_weather(self) -> None:
        await self._cancel(self._weather_tasks)
        if self.namespaces and self._weather_tasks:
            for label in self.namespaces.labels:
                self.namespaces.set_loss(label, {})
        self._weather_tasks = []
        for wire in self.wires:
            wire.set_weather(FAIR)

    async def _drop(self, wires: Iterable[Wire]) -> None:
        for wire in wires:
            wire.reset()

    async def _close(self) -> None:
        await self._stop_weather()
        for _ in range(ACCEPT_ROUNDS):
            await asyncio.sleep(0)
        for server in self._servers:
            server.close()
        for wire in self.wires:
            wire.reset()
        current = asyncio.current_task()
        await self._cancel([task for task in asyncio.all_tasks() if task is not current])
        for _ in range(2):  # an aborted connection is closed in the next rounds of the loop
            await asyncio.sleep(0)

    async def _cancel(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
