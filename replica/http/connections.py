"""Limits the number of connections of a web server, and the bytes that the server keeps for a connection.

aiohttp limits the size of each header, but not the number of connections. While aiohttp answers a request, aiohttp also
reads up to 32 further requests of the same connection. So a Connection counts the bytes that arrive, and then passes
them to aiohttp.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Callable, Collection
from functools import lru_cache

from aiohttp.web import BaseRequest

CONNECTIONS_MAX = 1000
ADDRESS_CONNECTIONS_MAX = 400  # of one address: a class of 40 behind one router needs 6 for each browser
AHEAD_BYTES_MAX = 512 * 1024  # of a head that is not complete, or of requests after one that is being answered
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nServer: bayou\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
REFUSAL = b"HTTP/1.1 %s\r\nServer: bayou\r\nRetry-After: %d\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Connections:
    """All connections of one server. `proxies` has the addresses of reverse proxies. The limit for each address does
    not apply to these addresses. Only the event loop may use the object."""

    def __init__(self, proxies: Collection[str] = ()) -> None:
        self._proxies = proxies
        self._counts: Counter[str] = Counter()
        self._by_transport: dict[asyncio.BaseTransport, Connection] = {}

    def of(self, transport: asyncio.BaseTransport | None) -> Connection | None:
        """Return the connection with this transport; None if the connection has ended."""
        return self._by_transport.get(transport) if transport is not None else None

    def client_of(self, request: BaseRequest) -> str:
        """Return the client's IPv4 address, or the /64 network of the client's IPv6 address. Limits treat all requests
        with the same result as requests of one client.

        If the request comes from a proxy, the header X-Forwarded-For gives the address. Without that header, return an
        empty text.
        """
        address = request.remote or ""
        if address in self._proxies:
            hops = map(str.strip, ",".join(request.headers.getall("X-Forwarded-For", [])).split(","))
            address = next((hop for hop in reversed(list(hops)) if hop not in self._proxies), "")
        return network_of(address)

    def refusal_of(self, client: str) -> bytes | None:
        """Return the answer that refuses another connection of this client; None if the connection may be opened."""
        if len(self._by_transport) >= CONNECTIONS_MAX:
            return REFUSAL % (b"503 Service Unavailable", 1)
        if client not in self._proxies and self._counts[network_of(client)] >= ADDRESS_CONNECTIONS_MAX:
            return REFUSAL % (b"429 Too Many Requests", 5)
        return None

    def opened(self, transport: asyncio.BaseTransport, connection: Connection, client: str) -> None:
        self._by_transport[transport] = connection
        self._counts[network_of(client)] += 1

    def closed(self, transport: asyncio.BaseTransport, client: str) -> None:
        del self._by_transport[transport]
        self._counts -= Counter([network_of(client)])  # which drops what has come to zero


class Connection(asyncio.Protocol):
    """One connection. `server` makes the protocol object of aiohttp, which gets the bytes that arrive.

    The connection counts two kinds of bytes: the bytes of an incomplete head, and the bytes of requests that come
    before the current request is answered. If the sum is more than AHEAD_BYTES_MAX, the connection is aborted.
    """

    def __init__(self, connections: Connections, server: Callable[[], asyncio.Protocol]) -> None:
        self._connections = connections
        self._server = server
        self._inner: asyncio.Protocol | None = None  # None if the connection was refused
        self._ahead: int | None = 0  # None while a body comes, which has its own bound

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._client = client_of(transport)
        if refusal := self._connections.refusal_of(self._client):
            transport.write(refusal)
            transport.close()
            return
        self._connections.opened(transport, self, self._client)
        self._inner = self._server()
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._ahead is not None:
            self._ahead += len(data)
            if self._ahead > AHEAD_BYTES_MAX:
                self._transport.abort()
                return
        if self._inner is not None:
            try:
                self._inner.data_received(data)
            except IndexError:  # of yarl, for a URL such as `http://[]@`
                self._transport.write(BAD_REQUEST)
                self._transport.close()

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inner is not None else None

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        if self._inner is not None:
            self._connections.closed(self._transport, self._client)
            self._inner.connection_lost(error)

    def expects_body(self) -> None:
        """Stop counting bytes, because the head of a request has come and the body of this request follows."""
        self._ahead = None

    def expects_head(self) -> None:
        """Count bytes again, from 0. A whole request has come, so the bytes that follow belong to the next request."""
        self._ahead = 0


def client_of(transport: asyncio.BaseTransport) -> str:
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if peer else ""


@lru_cache(1024)
def network_of(address: str) -> str:
    """Return an IPv4 address unchanged. Return the /64 network of an IPv6 address, because one customer has a whole
    /64. Return an empty text if `address` is not an IP address."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.IPv6Network((found, 64), strict=False))
