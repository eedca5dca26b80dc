"""The playlist over REST on real replicas: answers, refusals, and how replicas come to agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import requests

from cluster.processes import Processes
from tests.support.live import LABELS, link, live, wait_until_equal
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process

BOUND_S = 20.0
LONGEST_SONG = "ß" * 200
LONGEST_URL = "u" * 2000


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Three replicas. The replica `one` is the primary, and commits automatically. All links are cut, except while
    `met` heals them."""
    with live(tmp_path_factory.mktemp("playlist")) as processes:
        for one, other in PAIRS:
            link(processes, one, other, up=False)
        yield processes


PAIRS = [("one", "two"), ("one", "three"), ("two", "three")]


def ask(
    replicas: Processes, label: str, method: str, path: str, body: Any = None, user: str | None = "vish"
) -> tuple[int, Any]:
    """Send a request to a replica. Return the status and the JSON of the answer. For a refusal, return the status and
    the error."""
    data = body.encode() if isinstance(body, str) else None
    with requests.Session() as session:
        session.trust_env = False
        response = session.request(
            method,
            f"http://{replicas.settings.replica(label).rest}{path}",
            headers={"Bayou-User": user} if user else {},
            json=None if isinstance(body, str) else body,
            data=data,
            allow_redirects=False,
            timeout=BOUND_S,
        )
    answer = response.json()
    return response.status_code, answer.get("error", answer)


def put(replicas: Processes, label: str, song: str, url: str, **more: Any) -> Any:
    user = more.pop("user", "vish")
    status, answer = ask(replicas, label, "PUT", f"/playlist/{song}", {"url": url, **more}, user)
    assert status == 200, answer
    return answer


def url_at(replicas: Processes, label: str, song: str, view: str = "tentative") -> str | None:
    status, answer = ask(replicas, label, "GET", f"/playlist/{song}?view={view}")
    if status == 404:
        assert answer["code"] == "song_unknown"
        return None
    return str(answer["url"])


def met(replicas: Processes, *pairs: tuple[str, str]) -> None:
    """Heal the links of these pairs, wait until the replicas of the pairs are equal, and cut the links again. Without
    pairs, heal all links."""
    chosen = pairs or PAIRS
    for one, other in chosen:
        link(replicas, one, other, up=True)
    labels = sorted({label for pair in chosen for label in pair})
    wait_until_equal(replicas, *labels)
    for one, other in chosen:
        link(replicas, one, other, up=False)


def log_of(replicas: Processes, label: str, song: str) -> list[Any]:
    writes = replicas.rest(label).get("/replica/log", limit="1000")["writes"]
    return [write for write in writes if write["describe"].get("song") == song]


def test_a_song_is_tentative_at_other_replicas_and_committed_at_the_primary(replicas: Processes) -> None:
    assert put(replicas, "two", "first", "u1") == {"song": "first", "url": "u1", "state": "tentative"}
    assert put(replicas, "one", "other", "u2") == {"song": "other", "url": "u2", "state": "committed"}
    assert ask(replicas, "two", "GET", "/playlist/first") == (200, {"song": "first", "url": "u1", "state": "tentative"})
    assert url_at(replicas, "two", "first", "committed") is None
    met(replicas)
    for label in LABELS:
        for view in ("tentative", "committed"):
            answer = ask(replicas, label, "GET", f"/playlist/first?view={view}")
            assert answer == (200, {"song": "first", "url": "u1", "state": "committed"})


def test_both_views_while_a_song_changes(replicas: Processes) -> None:
    put(replicas, "two", "changing", "old")
    met(replicas)
    put(replicas, "two", "changing", "new")
    assert (url_at(replicas, "two", "changing"), url_at(replicas, "two", "changing", "committed")) == ("new", "old")
    status, answer = ask(replicas, "two", "DELETE", "/playlist/changing")
    assert (status, answer) == (200, {"song": "changing", "url": None, "state": "tentative"})
    assert (url_at(replicas, "two", "changing"), url_at(replicas, "two", "changing", "committed")) == (None, "old")
    met(replicas)
    assert [url_at(replicas, label, "changing", "committed") for label in LABELS] == [None, None, None]


def test_the_last_write_in_the_order_wins_everywhere(replicas: Processes) -> None:
    """If a song has several writes, the last one wins. Committed writes come first, then tentative writes by stamp."""
    put(replicas, "two", "tie", "of two")
    put(replicas, "three", "tie", "of three", user="priyal")
    assert (url_at(replicas, "two", "tie"), url_at(replicas, "three", "tie")) == ("of two", "of three")
    met(replicas, ("two", "three"))
    assert [url_at(replicas, label, "tie") for label in ("two", "three")] == ["of three", "of three"]
    put(replicas, "two", "tie", "last of two")
    put(replicas, "one", "tie", "of the primary", user="neil")
    met(replicas)
    # The primary committed its own at once, so what was tentative elsewhere comes behind it.
    assert [url_at(replicas, label, "tie", "committed") for label in LABELS] == ["last of two"] * 3


def test_deleting_a_song_that_does_not_exist_is_a_write(replicas: Processes) -> None:
    status, answer = ask(replicas, "two", "DELETE", "/playlist/never")
    assert (status, answer) == (200, {"song": "never", "url": None, "state": "tentative"})
    met(replicas)
    (write,) = log_of(replicas, "three", "never")
    assert (write["op"], write["outcome"], write["state"]) == ("delete", "updated", "committed")
    assert write["describe"] == {"song": "never", "result": {"song": "never"}, "why": None}


def test_a_repeated_request_is_one_write(replicas: Processes) -> None:
    put(replicas, "two", "again", "u1", request="r1")
    put(replicas, "two", "again", "u2", request="r2")
    assert put(replicas, "two", "again", "u1", request="r1")["url"] == "u2"
    put(replicas, "two", "again", "u3", request="r1", user="priyal")  # a request id is its user's
    assert [write["request"] for write in log_of(replicas, "two", "again")] == ["r1", "r2", "r1"]
    for _ in range(2):
        assert ask(replicas, "two", "DELETE", "/playlist/again?request=gone")[0] == 200
    assert len(log_of(replicas, "two", "again")) == 4


def test_a_request_repeated_at_another_replica_counts_once(replicas: Processes) -> None:
    put(replicas, "two", "moved on", "first", request="r1")
    put(replicas, "two", "moved on", "second", request="r2")
    put(replicas, "three", "moved on", "first", request="r1")
    met(replicas)
    assert [url_at(replicas, label, "moved on") for label in LABELS] == ["second"] * 3
    assert sorted(write["outcome"] for write in log_of(replicas, "one", "moved on")) == ["duplicate"] + ["updated"] * 2


def test_the_list_holds_the_songs_that_exist(replicas: Processes) -> None:
    for song in ("list b", "list a", "list gone"):
        put(replicas, "two", song, "u")
    ask(replicas, "two", "DELETE", "/playlist/list gone")
    status, answer = ask(replicas, "two", "GET", "/playlist")
    assert (status, answer["view"]) == (200, "tentative")
    listed = [song for song in answer["songs"] if song["song"].startswith("list ")]
    assert listed == [{"song": f"list {name}", "url": "u", "state": "tentative"} for name in "ab"]
    whole, behind = [song["song"] for song in answer["songs"]], ""
    assert answer["next"] is None
    for _ in range(len(whole) + 3):  # deleted songs count as entries of a part, too
        _, part = ask(replicas, "two", "GET", f"/playlist?limit=2&after={quote(behind, safe='')}")
        assert len(part["songs"]) <= 2
        assert [song["song"] for song in part["songs"]] == whole[: len(part["songs"])]
        whole, behind = whole[len(part["songs"]) :], part["next"]
        if behind is None:
            break
    assert not whole
    assert behind is None
    _, answer = ask(replicas, "two", "GET", "/playlist?view=committed")
    assert not [song for song in answer["songs"] if song["song"].startswith("list ")]


@pytest.mark.parametrize(
    ("path", "song"),
    [
        ("AC%2FDC", "AC/DC"),
        ("%2Fa%2F%2Fb%2F", "/a//b/"),
        ("%2F", "/"),
        ("two%20words%3F%23%25", "two words?#%"),
        ("e%CC%81", "é"),  # typed as two characters; it is one song however it was typed
        (LONGEST_SONG, LONGEST_SONG),
    ],
)
def test_any_printable_name_is_a_song(replicas: Processes, path: str, song: str) -> None:
    assert put(replicas, "two", path, LONGEST_URL) == {"song": song, "url": LONGEST_URL, "state": "tentative"}
    assert url_at(replicas, "two", path) == LONGEST_URL


REFUSED: list[tuple[Any, ...]] = [  # method, path, body, status, code, field, a part of the sentence
    ("PUT", "/playlist/%09", {"url": "u"}, 400, "bad_input", "song", "1 to 200 printable"),
    ("PUT", "/playlist/a%00", {"url": "u"}, 400, "bad_input", "song", "printable"),
    ("PUT", "/playlist/%20a", {"url": "u"}, 400, "bad_input", "song", "does not begin or end with a blank"),
    ("PUT", f"/playlist/{'a' * 201}", {"url": "u"}, 400, "bad_input", "song", "1 to 200"),
    ("GET", "/playlist/a%1B", None, 400, "bad_input", "song", "printable"),
    ("DELETE", "/playlist/a%7F", None, 400, "bad_input", "song", "printable"),
    ("PUT", "/playlist/a", None, 400, "bad_input", "body", "not JSON"),
    ("PUT", "/playlist/a", '{"url": NaN}', 400, "bad_input", "body", "not JSON"),
    ("PUT", "/playlist/a", ["u"], 400, "bad_input", "body", "JSON object"),
    ("PUT", "/playlist/a", {}, 400, "bad_input", "url", "url: is missing."),
    ("PUT", "/playlist/a", {"url": None}, 400, "bad_input", "url", "text in quotes"),
    ("PUT", "/playlist/a", {"url": ""}, 400, "bad_input", "url", "the minimum is 1"),
    ("PUT", "/playlist/a", {"url": "u" * 2001}, 400, "bad_input", "url", "at most 2000 characters"),
    (
        "PUT",
        "/playlist/a",
        {"url": "javascript:alert(1)"},
        400,
        "bad_input",
        "url",
        "http://…, https://… or plain text",
    ),
    ("PUT", "/playlist/a", {"url": " JavaScript:alert(1)"}, 400, "bad_input", "url", "plain text"),
    ("PUT", "/playlist/a", {"url": "data:text/html,x"}, 400, "bad_input", "url", "plain text"),
    ("PUT", "/playlist/a", {"url": "https://a/\u202e"}, 400, "bad_input", "url", "direction of text"),
    ("PUT", "/playlist/a%E2%80%AE", {"url": "u"}, 400, "bad_input", "song", "printable"),
    ("PUT", "/playlist/a", {"url": "u\nv"}, 400, "bad_input", "url", "one line"),
    (
        "PUT",
        "/playlist/a",
        {"url": "u", "artist": "x"},
        400,
        "bad_input",
        "artist",
        "no such field; the fields are url, request",
    ),
    ("PUT", "/playlist/a", {"url": "u", "request": "a b"}, 400, "bad_input", "request", "1 to 64"),
    ("PUT", "/playlist/a", {"url": "u", "request": 7}, 400, "bad_input", "request", "text in quotes"),
    ("DELETE", "/playlist/a?request=", None, 400, "bad_input", "request", "1 to 64"),
    ("DELETE", "/playlist/a?url=u", None, 400, "bad_input", "url", "no such field"),
    ("GET", "/playlist/a?view=final", None, 400, "bad_input", "view", "'tentative' or 'committed'"),
    ("GET", "/playlist?view=", None, 400, "bad_input", "view", "'tentative' or 'committed'"),
    ("GET", "/playlist?limit=501", None, 400, "bad_input", "limit", "at most 500"),
    ("GET", "/playlist?limit=٣", None, 400, "bad_input", "limit", "a whole number"),
    ("GET", "/playlist?song=a", None, 400, "bad_input", "song", "no such field"),
    ("GET", "/playlist/nowhere", None, 404, "song_unknown", None, "There is no song nowhere in the tentative view"),
    ("POST", "/playlist", {"url": "u"}, 405, "method_not_allowed", None, "does not support POST. Use GET."),
]


@pytest.mark.parametrize("refused", REFUSED)
def test_refusals_say_what_is_wrong_and_change_nothing(replicas: Processes, refused: tuple[Any, ...]) -> None:
    method, path, body, status, code, field, sentence = refused
    before = replicas.rest("two").get("/replica/digest")
    got, error = ask(replicas, "two", method, path, body)
    assert (got, error["code"], error["details"].get("field")) == (status, code, field)
    assert sentence in error["message"]
    assert replicas.rest("two").get("/replica/digest") == before


@pytest.mark.parametrize("url", ["http://a/b", "HTTPS://a", "shelf 3: the blue one", "//a/b", "so what"])
def test_http_https_and_plain_text_are_taken(replicas: Processes, url: str) -> None:
    assert put(replicas, "two", "taken", url)["url"] == url


def test_a_write_needs_a_user_and_a_read_none(replicas: Processes) -> None:
    put(replicas, "two", "whose", "u")
    for method, body in (("PUT", {"url": "v"}), ("DELETE", None)):
        status, error = ask(replicas, "two", method, "/playlist/whose", body, user=None)
        assert (status, error["code"]) == (401, "user_missing")
    assert ask(replicas, "two", "GET", "/playlist/whose", user=None)[1]["url"] == "u"


def test_events_say_which_song(replicas: Processes) -> None:
    """The terminal of a replica shows the song and its URL."""
    put(replicas, "two", "seen", "somewhere", request="r9")
    wait_until(lambda: "vish put seen somewhere" in replicas.output("two"))


def test_a_song_remembers_its_last_eight_requests(replicas: Processes) -> None:
    """The page of a song keeps the ids of its last eight requests. If an older request is repeated, it counts as
    new."""
    for number in range(9):
        put(replicas, "two", "bounded", f"u{number}", request=f"r{number}")
    assert put(replicas, "two", "bounded", "u1", request="r1")["url"] == "u8"
    assert put(replicas, "two", "bounded", "x", request="r0")["url"] == "x"


def test_the_rooms_are_untouched(replicas: Processes) -> None:
    put(replicas, "two", "6.12", "u")
    assert [room["name"] for room in replicas.rest("two").get("/rooms")["rooms"]] == ["6.12", "6.13", "7.01"]
