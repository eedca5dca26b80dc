"""Valid and invalid names and addresses."""

from __future__ import annotations

import pytest

from bayou.names import HOST, LABEL, NAME, SERVER, split_address


@pytest.mark.parametrize(
    ("text", "host_and_port"),
    [
        ("127.0.0.1:8001", ("127.0.0.1", 8001)),
        ("rooms_1.example.org:1", ("rooms_1.example.org", 1)),
        ("[::1]:65535", ("::1", 65535)),
        ("[fe80::1%eth0]:9001", ("fe80::1%eth0", 9001)),
        ("::1:8001", None),
        ("127.0.0.1", None),
        ("127.0.0.1:0", None),
        ("127.0.0.1:65536", None),
        ("127.0.0.1:80\n", None),
        (":8001", None),
        ("a/b:8001", None),
        ("a;script-src *:8001", None),  # an address becomes part of a header that limits what a web page may do
        (f"{'a' * 256}:8001", None),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, host_and_port: tuple[str, int] | None) -> None:
    assert split_address(text) == host_and_port


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (NAME, ["vish", "a.b_c@d+e-F9", "...", ".a", "n" * 64], ["", ".", "..", "n" * 65, "vish/r1", "vish ", "vïsh"]),
        (LABEL, ["one", "a-b_9", "l" * 32], ["", "One", "l" * 33, "a.b"]),
        (SERVER, ["one~aaaaaa", f"{1:016}:one~a", f"{2:016}:{1:016}:one~a"], ["one", "one~", "1:one~a", "one~A"]),
        (HOST, ["rooms", "rooms.example.org"], ["", "rooms.", ".rooms", "rooms:80", "rooms_1"]),
    ],
)
def test_names(pattern, good, bad) -> None:
    assert [text for text in good if not pattern.fullmatch(text)] == []
    assert [text for text in bad if pattern.fullmatch(text)] == []
