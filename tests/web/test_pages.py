"""The web pages as files: what a page may load, where it may send requests, and which files a replica serves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from storage.members import Member
from tests.support.replica_harness import FakeStore, Harness

WEB = Path(__file__).parent.parent.parent / "web"
FILES = [path for path in WEB.rglob("*") if path.is_file()]
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


class Client(FlaskClient):
    """A test client that reads each answer completely. Otherwise files would stay open."""

    def open(self, *arguments: Any, **options: Any) -> Any:
        return super().open(*arguments, **{"buffered": True, **options})


@pytest.fixture
def client() -> FlaskClient:
    app = Harness().app
    app.test_client_class = Client
    return app.test_client()


@pytest.mark.parametrize(
    ("path", "reached"),
    [("/", "'self'"), ("/cluster", "'self' http://127.0.0.1:8002 http://127.0.0.1:8004")],
    ids=["calendar", "cluster"],
)
def test_a_page_may_run_only_its_own_files(client: FlaskClient, path: str, reached: str) -> None:
    response = client.get(path, headers=BROWSER)
    assert response.status_code == 200
    assert response.content_type == "text/html; charset=utf-8"
    policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["connect-src"] == reached
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["Vary"] == "Accept"


@pytest.mark.parametrize("address", ["x;script-src:1", "x, y:1", "x y:1", "x", "x:", "x/y:1", "é:1", "x:1\r\nA: b"])
def test_an_invalid_address_cannot_widen_what_a_page_may_reach(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    joined = Member("0000000000000003:one~aaaaaa", "four", address, "127.0.0.1:9004", "r")
    monkeypatch.setattr(FakeStore, "members", lambda _store: [joined])
    response = Harness().app.test_client().get("/cluster", headers=BROWSER, buffered=True)
    assert "connect-src 'self' http://127.0.0.1:8002;" in response.headers["Content-Security-Policy"]


def test_an_unchanged_page_is_not_sent_again(client: FlaskClient) -> None:
    for path in ("/", "/static/base.css"):
        tag = client.get(path, headers=BROWSER).headers["ETag"]
        assert client.get(path, headers={**BROWSER, "If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize("accept", ["*/*", "application/json", None])
def test_programs_get_json(client: FlaskClient, accept: str | None) -> None:
    headers = {"Accept": accept} if accept else {}
    assert client.get("/", headers=headers).get_json()["paths"]["/static/<name>"] == ["GET"]
    members = client.get("/cluster", headers=headers)
    assert members.headers["Cache-Control"] == "no-store"
    assert members.get_json() == {
        "label": "one",
        "cluster": "building-6",
        "timezone": "UTC",
        "users": [],
        "replicas": [
            {"label": "one", "address": "http://127.0.0.1:8001"},
            {"label": "two", "address": "http://127.0.0.1:8002"},
            {"label": "four", "address": "http://127.0.0.1:8004"},  # has joined
        ],
    }


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix != ".html"], ids=lambda path: path.name)
def test_every_file_is_served_with_its_content_type(client: FlaskClient, path: Path) -> None:
    response = client.get(f"/{path.relative_to(WEB).as_posix()}")
    assert response.get_data() == path.read_bytes()
    kinds = {
        ".js": "text/javascript; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".svg": "image/svg+xml; charset=utf-8",
    }
    assert response.content_type == kinds[path.suffix]


@pytest.mark.parametrize(
    "path", ["nothing.js", "../config.yaml", "..%2fconfig.yaml", "shared", "shared/", "calendar.html", "%00.js", ""]
)
def test_no_other_file_is_served(client: FlaskClient, path: str) -> None:
    response = client.get(f"/static/{path}")
    assert response.status_code == 404
    assert response.get_json()["error"]["code"] == "not_found"


def test_pages_name_only_files_that_exist() -> None:
    for page in WEB.glob("*.html"):
        for name in re.findall(r'(?:href|src)="(/static/[^"]+)"', page.read_text("utf-8")):
            assert (WEB / name[1:]).is_file(), f"{page.name} names {name}, which is not a file of web/"
    for script in WEB.rglob("*.js"):
        for name in re.findall(r'from "([^"]+)"', script.read_text("utf-8")):
            assert (script.parent / name).is_file(), f"{script.name} imports {name}, which is not a file beside it"


def test_scripts_never_turn_text_into_markup() -> None:
    for path in FILES:
        text = path.read_text("utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|https?://(?!www\.w3\.org)",
                             text), path  # fmt: skip
        assert path.suffix != ".html" or not re.search(r"<script(?![^>]* src=)|\son\w+=|style=|<style", text), path
