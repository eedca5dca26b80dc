"""A slow link: a TCP proxy that delays every byte in both directions. The proxy can also break its connections."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

CHUNK_BYTES = 64 * 1024

Route = tuple[int, int]  # the port of the proxy, the port to which it leads; both on 127.0.0.1


@contextlib.contextmanager
def slow_links(routes: list[Route], delay_s: float, break_every_s: float | None = None) -> Iterator[None]:
    """Run one proxy for each route during a `with` block. Each proxy delays every byte by `delay_s`, in both
    directions. If `break_every_s` is given, all connections are reset every `break_every_s` seconds."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="links", daemon=True)
    thread.start()
    links = [_Link(target, delay_s) for _, target in routes]
    servers = [
        asyncio.run_coroutine_threadsafe(asyncio.start_server(link.carry, "127.0.0.1", port), loop).result()
        for link, (port, _) in zip(links, routes, strict=True)
    ]
    breaking = asyncio.run_coroutine_threadsafe(_break(links, break_every_s), loop) if break_every_s else None
    try:
        yield
    finally:
        if breaking is not None:
            breaking.cancel()
        asyncio.run_coroutine_threadsafe(_close(links, servers), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _Link:
    def __init__(self, target: int, delay_s: float) -> None:
        self._target = target
        self._delay_s = delay_s
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection until one side ends it."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
            self._open.add(there_writer)
            await asyncio.wait(
                [
                    asyncio.create_task(self._forward(reader, there_writer)),
                    asyncio.create_task(self._forward(there_reader, writer)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
            there_writer.close()
            self._open.discard(there_writer)
        except OSError:
            pass  # nobody listens there yet
        finally:
            writer.close()
            self._open.discard(writer)
            self._tasks.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                loop.call_later(self._delay_s, _write, writer, data)
            await asyncio.sleep(self._delay_s)

    def reset(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def close(self) -> None:
        self.reset()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    if not writer.is_closing():
        writer.write(data)


async def _break(links: list[_Link], every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        for link in links:
            link.reset()


async def _close(links: list[_Link], servers: list[asyncio.Server]) -> None:
    for server in servers:
        server.close()
    for link in links:
        await link.close()
    for _ in range(2):  # an aborted connection is closed in the next rounds of the loop
        await asyncio.sleep(0)
