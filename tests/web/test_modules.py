"""Functions of the web pages, run in a browser: times, free slots, changes of a log, and sentences for users."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cli.output.reservations import where
from tests.support.browser import Page, browser
from tests.support.replica_harness import Harness, serving

pytestmark = pytest.mark.browser

CALL = """
const [module, name, parameters, done] = arguments;
import(module).then((found) => done(found[name](...parameters))).catch((problem) => done(String(problem)));
"""
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with serving(Harness()) as address, browser() as opened:
        opened.open(f"http://{address}/static/icon.svg")
        yield opened


def call(page: Page, module: str, name: str, *parameters: Any) -> Any:
    """Call a function of a JavaScript module of the web pages, and return its result."""
    return page.driver.execute_async_script(CALL, f"/static/{module}", name, list(parameters))


@pytest.mark.parametrize(
    ("day", "clock", "zone", "moment"),
    [
        ("2030-06-03", "09:00", "UTC", "2030-06-03T09:00:00Z"),
        ("2030-06-03", "09:00", "Europe/Brussels", "2030-06-03T07:00:00Z"),
        ("2030-06-03", "00:15", "Asia/Kolkata", "2030-06-02T18:45:00Z"),
        ("2030-03-31", "01:59", "Europe/Brussels", "2030-03-31T00:59:00Z"),
        ("2030-03-31", "02:30", "Europe/Brussels", None),  # skipped
        ("2030-10-27", "02:30", "Europe/Brussels", "2030-10-27T00:30:00Z"),  # twice: the earlier
        ("2030-06-03", "23:59", "Pacific/Kiritimati", "2030-06-03T09:59:00Z"),
    ],
)
def test_the_moment_that_a_clock_shows(page: Page, day: str, clock: str, zone: str, moment: str | None) -> None:
    hours, minutes = clock.split(":")
    found = call(page, "shared/times.js", "momentOf", day, int(hours) * 60 + int(minutes), zone)
    assert (found and call(page, "shared/times.js", "iso", found)) == moment


@pytest.mark.parametrize(
    ("day", "count", "found"),
    [
        ("2030-06-30", 0, "2030-06-01"),
        ("2030-01-31", 1, "2030-02-01"),
        ("2030-12-31", 1, "2031-01-01"),
        ("2030-01-01", -1, "2029-12-01"),
        ("0099-12-31", 1, "0100-01-01"),
    ],
)
def test_the_first_day_of_a_month(page: Page, day: str, count: int, found: str) -> None:
    assert call(page, "shared/times.js", "monthStart", day, count) == found


def test_a_day_begins_where_clocks_skip_midnight(page: Page) -> None:
    found = call(page, "shared/times.js", "dayStart", "2026-04-24", "Africa/Cairo")
    assert call(page, "shared/times.js", "iso", found) == "2026-04-23T22:00:00Z"


@pytest.mark.parametrize(
    ("busy", "more", "found"),
    [
        ([], {}, (9, 10)),
        ([(9, 10)], {}, (8, 9)),  # of two equally near, the earlier
        ([(8, 10)], {}, (10, 11)),
        ([(9, 10)], {"opens": "09:00", "closes": "17:00"}, (10, 11)),
        ([(7, 8), (9, 12)], {}, (8, 9)),
        ([(6, 18)], {"opens": "09:00", "closes": "17:00"}, (33, 34)),  # tomorrow at nine
        ([(0, 48)], {}, None),
        ([(8.5, 9.5)], {}, (9.5, 10.5)),
        ([], {"closed": ["thursday"]}, (24, 25)),  # moments count from a Thursday
        ([], {"closed": ["1970-01-01 New Year"], "opens": "08:00"}, (32, 33)),
        ([], {"closed": ["1970-01-01/1970-01-02"]}, None),
    ],
)
def test_the_nearest_free_time(
    page: Page, busy: list[tuple[float, float]], more: dict[str, Any], found: tuple[float, float] | None
) -> None:
    wanted, *taken = [{"start": start * HOUR_MS, "end": end * HOUR_MS} for start, end in [(9, 10), *busy]]
    bounds = {"from": 0, "to": 48 * HOUR_MS, "zone": "UTC", **more}
    slot = call(page, "calendar/nearest.js", "nearest", wanted, taken, bounds)
    assert (slot and (slot["start"] / HOUR_MS, slot["end"] / HOUR_MS)) == found


def write(name: str, hour: int, csn: int | None = None, outcome: str = "updated", room: str = "6.12") -> dict[str, Any]:
    slot = {"start": f"2030-06-03T{hour:02}:00:00Z", "end": f"2030-06-03T{hour + 1:02}:00:00Z"}
    described = {"reservation": f"vish/{name}", "room": room, "slots": [slot], "result": {"room": room, **slot}}
    return {"id": name, "csn": csn, "outcome": outcome, "app": "rooms/1", "describe": described}


def test_the_difference_between_two_states_of_a_log(page: Page) -> None:
    before = [write("a", 9), write("b", 9)]
    after = [write("b", 9, 1), write("c", 9), write("a", 9, outcome="merged")]
    assert call(page, "cluster/log.js", "difference", before, after) == {"arrived": ["c"], "changed": ["a"]}


LIST_REPLAY = """
const [replays, done] = arguments;
import("/static/cluster/replay.js").then(({ Replay }) => {
  const replay = new Replay("two", "UTC");
  replay.list(replays);
  done([...replay.details.querySelectorAll("summary, p, li")].map((each) => each.textContent));
});
"""


def test_the_list_of_replays_says_what_is_left_out_and_has_the_newest_counts_first(page: Page) -> None:
    song = {"write": "5@two", "stamp": "5", "op": "put", "user": "vish", "what": "put", "before": {"song": "a"}}
    gone = {"write": "6@two", "stamp": "6", "op": None, "user": None, "what": None, "before": None}
    again = [song | {"after": {"song": "a"}, "csn": 7, "outcome": "updated"}]
    first = {"rolled_back": 1, "replayed": 0, "left_out": 0, "from": None, "undone": [gone], "played_again": []}
    second = {"rolled_back": 4, "replayed": 4, "left_out": 3, "from": "one", "undone": [song], "played_again": again}
    assert page.driver.execute_async_script(LIST_REPLAY, [first, second]) == [
        "↶ 4 undone · ↷ 4 replayed, from one",
        "↶ 1 undone · ↷ 0 replayed",
        "↶ the write 6: nothing",
        "↶ vish’s put: a",
        "↷ vish’s put: a, as before, committed, number 7",
        "… and 3 later writes: undone before these, played again after them",
    ]


MESSAGE = """
const [message, done] = arguments;
import("/static/shared/dom.js").then(({ prose }) => {
  const shown = prose(message);
  done([shown.textContent, [...shown.children].map((each) => [each.localName, each.innerHTML])]);
});
"""


@pytest.mark.parametrize(
    ("message", "text", "code"),
    [
        ("Add `new_room: true`, or `owner`.", "Add new_room: true, or owner.", ["new_room: true", "owner"]),
        ("`sync two` helps", "sync two helps", ["sync two"]),
        ("one ` alone", "one ` alone", []),
        ("Ann `<img src=x>`", "Ann <img src=x>", ["&lt;img src=x&gt;"]),
    ],
)
def test_words_between_backquotes_of_a_message_are_code(page: Page, message: str, text: str, code: list[str]) -> None:
    found = page.driver.execute_async_script(MESSAGE, message)
    assert found == [text, [["code", each] for each in code]]


def held(label: str, csn: int, tentative: int = 0, primary: str = "one", **stamps: str) -> Any:
    vectors = {"V": stamps, "C": {}, "O": {}}
    state = {"label": label, "csn": csn, "history": [], "vectors": vectors, "tentative": tentative}
    return state | {"primary": {"here": label == primary}}


LINKS = [
    {"number": number, "one": one, "other": other, "up": True}
    for number, (one, other) in enumerate([("one", "two"), ("two", "three"), ("one", "three")], 1)
]
NEXT_DUE = """
const [links, states, last, done] = arguments;
import("/static/cluster/due.js").then(({ nextDue }) => {
  const { link, commit, why } = nextDue(links, new Map(states.map((state) => [state.label, state])), last);
  done(link?.number ?? commit ?? why);
});
"""
AHEAD = [held("one", 0, 1, x="5"), held("two", 0), held("three", 0)]
EVEN = [held(label, 0, 1, x="5") for label in ("one", "two", "three")]


@pytest.mark.parametrize(
    ("links", "states", "last", "due"),
    [
        (LINKS, AHEAD, 0, 1),
        (LINKS, AHEAD, 1, 3),  # the ends of link 2 hold the same
        (LINKS, AHEAD, 3, 1),
        ([LINKS[0] | {"up": False}, *LINKS[1:]], AHEAD, 0, 3),
        (LINKS, AHEAD[::2], 0, 3),  # two does not answer
        (LINKS, EVEN, 0, "one"),
        (LINKS, [held("one", 1, x="5"), *EVEN[1:]], 0, 1),  # a commit is due like a write
        (LINKS, [held(label, 1, x="5") for label in ("one", "two")], 0, "nothing is tentative at the primary"),
        (LINKS, EVEN[1:], 0, "no primary answers"),
    ],
)
def test_which_step_is_due(page: Page, links: Any, states: Any, last: int, due: int | str) -> None:
    found = page.driver.execute_async_script(NEXT_DUE, links, states, last)
    assert (found == due) if isinstance(due, int) else due in found


def info(primary: str, tentative: int, **links: tuple[str, bool | None]) -> dict[str, Any]:
    peers = [{"label": label, "link": link, "reachable": reachable} for label, (link, reachable) in links.items()]
    named = {"label": primary, "here": primary == "two", "gone": False}
    return {"label": "two", "primary": named, "peers": peers, "tentative": tentative}


@pytest.mark.parametrize(
    ("state", "up", "level", "text"),
    [
        (None, None, "ok", ""),
        (info("two", 0), True, "ok", ""),
        (
            info("one", 1, one=("up", True)) | {"primary": {"label": "one", "here": False, "gone": True}},
            True,
            "cut",
            "There is no primary: the primary was one, under an earlier id. An operator must promote a replica by"
            " force. 1 reservation waits to be final.",
        ),
        (info("two", 2), True, "cut", "2 reservations wait to be final – this replica commits only on request."),
        (info("one", 0, one=("up", True)), True, "ok", ""),
        (
            info("one", 1, one=("up", True)) | {"pace": "manual"},
            True,
            "cut",
            "1 reservation waits to be final. Manual pace: nothing is sent or committed by itself here.",
        ),
        (info("one", 1, one=("up", None)), True, "ok", "1 reservation waits to be final."),
        (
            info("one", 3, one=("cut", True)),
            True,
            "cut",
            "Cut off from the primary, one. 3 reservations wait to be final.",
        ),
        (
            info("one", 0, one=("up", False)),
            True,
            "cut",
            "Cut off from the primary, one. You can reserve. New reservations become final later.",
        ),
        (
            info("one", 0, one=("cut", True), three=("up", True)),
            True,
            "ok",
            "No direct link to the primary, one; three can pass writes on.",
        ),
        (
            info("one", 0),
            False,
            "lost",
            "Replica two does not answer. What you see may be old; this page tries again by itself.",
        ),
    ],
)
def test_the_state_of_the_replica_in_one_sentence(
    page: Page, state: Any, up: bool | None, level: str, text: str
) -> None:
    assert call(page, "calendar/health.js", "health", state, up) == {"level": level, "text": text}


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("FREQ=WEEKLY;COUNT=10", "every week 10 times"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;UNTIL=20301231", "every 2 weeks on Mon, Wed until Tue 31 Dec 2030"),
        ("FREQ=MONTHLY;BYDAY=1MO;COUNT=3", "FREQ=MONTHLY;BYDAY=1MO;COUNT=3"),  # shown as it is, rather than wrongly
        ("FREQ=MONTHLY;BYMONTHDAY=5;COUNT=3", "FREQ=MONTHLY;BYMONTHDAY=5;COUNT=3"),
    ],
)
def test_a_rule_in_words(page: Page, rule: str, words: str) -> None:
    assert call(page, "calendar/facts.js", "ruleWords", rule) == words


@pytest.mark.parametrize(
    ("holders", "words"),
    [
        (["two"], "at two only"),
        (["two", "three"], "at two and three, waiting for the primary"),
        (["two", "three", "four"], "at two, three and four, waiting for the primary"),
    ],
)
def test_where_a_tentative_reservation_is_held(page: Page, holders: list[str], words: str) -> None:
    assert where(holders) == words  # in a terminal
    assert call(page, "shared/words.js", "whereHeld", holders) == words


def test_busy_times_are_read_from_a_free_busy_calendar(page: Page) -> None:
    text = (
        "BEGIN:VFREEBUSY\r\nDTSTART:20300601T000000Z\r\n"
        "FREEBUSY;FBTYPE=BUSY-TENTATIVE;VALUE=PERIOD:20300603T0900\r\n 00Z/20300603T100000Z\r\n"
        "FREEBUSY:20300604T090000Z/20300604T100000Z,20300605T090000Z/20300605T100000Z\r\nEND:VFREEBUSY\r\n"
    )
    found = call(page, "calendar/busy.js", "periodsOf", text)
    assert [(one["state"], one["start"]) for one in found] == [
        ("tentative", "2030-06-03T09:00:00Z"),
        ("committed", "2030-06-04T09:00:00Z"),
        ("committed", "2030-06-05T09:00:00Z"),
    ]
    assert found[0]["end"] == "2030-06-03T10:00:00Z"


@pytest.mark.parametrize(
    ("fields", "hours"),
    [
        (("2030-06-03", "22:00", "00:00"), (22, 24)),
        (("2030-06-03", "09:00", "10:30"), (9, 10.5)),
        (("2030-06-03", "10:00", "09:00"), None),
        (("", "09:00", "10:00"), None),
        (("2030-06-03", "", "10:00"), None),
    ],
)
def test_a_period_from_fields(page: Page, fields: tuple[str, str, str], hours: tuple[float, float] | None) -> None:
    found = call(page, "calendar/period.js", "periodOf", *fields, "UTC")
    midnight_ms = 1_906_675_200_000
    expected = hours and {"start": midnight_ms + hours[0] * HOUR_MS, "end": midnight_ms + hours[1] * HOUR_MS}
    assert found == expected


NOTICE = """
const [parameters, done] = arguments;
import("/static/calendar/tray.js").then(({ Tray }) => {
  const node = document.createElementNS("http://www.w3.org/1999/xhtml", "div");
  new Tray(node, () => ({ timezone: "UTC" }), {}).noteRevoked(...parameters);
  done(node.textContent);
}).catch((problem) => done(String(problem)));
"""


@pytest.mark.parametrize(
    ("is_lost", "fate"), [(False, "is tentative again and can still move"), (True, "is lost. Please reserve again")]
)
def test_a_forced_promotion_is_reported_to_users_whose_reservation_was_final(
    page: Page, is_lost: bool, fate: str
) -> None:
    text = page.driver.execute_async_script(NOTICE, ["vish/r1", "Your demo", is_lost, True])
    assert f"Your demo was final, but a new primary was promoted by force. The reservation {fate}." in text
