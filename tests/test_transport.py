"""Answers are sent compressed, to those who take it: R12."""

import http.client
import json
from random import Random

import httpx
import pytest

from tests.conftest import EMPTY_CATEGORY, Subject
from tests.waiting import NEXT_S, while_waiting
from tests.walking import pages


def wire_bytes(subject: Subject, path: str, accept_encoding: str) -> tuple[int, str | None]:
    """The size of the body on the wire, and its Content-Encoding."""
    headers = {"Accept-Encoding": accept_encoding}
    with subject.http.stream("GET", path, headers=headers) as answer:
        body = b"".join(answer.iter_raw())
        return len(body), answer.headers.get("content-encoding")


@pytest.mark.criterion("R12.1")
@pytest.mark.parametrize(
    "path", ["/products", "/products/1", "/products/batch?ids=1,2,3", "/products?limit=1"]
)
def test_an_answer_over_a_kilobyte_is_sent_compressed(api: Subject, path: str) -> None:
    plain, _ = wire_bytes(api, path, "identity")
    compressed, encoding = wire_bytes(api, path, "gzip")

    assert encoding == "gzip", f"{path}: Content-Encoding {encoding}, {compressed} bytes"
    assert compressed <= 0.3 * plain, f"{path}: {plain} bytes became {compressed}"
    assert compressed < 100_000


OTHERS = ("br", "deflate", "zstd", "identity", "compress", "*", "x-own")


def drawn_encodings(random: Random, gzip: str) -> str:
    """A line of Accept-Encoding in which gzip stands like this, among others with weights of their own."""
    others = random.sample(OTHERS, random.randrange(4))
    weights = (f"{random.choice((';', '; ', ' ;'))}q={random.choice(('1', '1.0', '0.9', '0.05'))}", "")
    fields = [gzip, *(other + random.choice(weights) for other in others)]
    random.shuffle(fields)
    return random.choice((", ", ",")).join(fields)


@pytest.mark.criterion("R12.1")
@pytest.mark.parametrize("path", ["/products?limit=9", "/products/1", "/products/batch?ids=1,2"])
def test_gzip_is_found_among_other_encodings_whatever_their_weights(api: Subject, path: str) -> None:
    random = Random()
    lines = [
        drawn_encodings(random, f"gzip{weight}")
        for weight in ("", ";q=1", ";q=0.5", "; q=0.001", " ; q=0.8") * 4
    ]
    # No line is too long for what stands at its end.
    named = [one for one in OTHERS if one != "*"]
    lines += [", ".join([*random.choices(named, k=random.randrange(30, 90)), "gzip"]) for _ in range(3)]
    for line in lines:
        assert wire_bytes(api, path, line)[1] == "gzip", f"{path}: {line}"


@pytest.mark.criterion("R12.7")
@pytest.mark.parametrize(
    "path", ["/products?limit=9", "/products/1", "/products/batch?ids=1,2", "/categories"]
)
def test_gzip_is_found_in_every_line_of_accept_encoding_and_in_capitals(api: Subject, path: str) -> None:
    for lines in [["gzip", "br"], ["br", "gzip"], ["deflate", "br, gzip;q=0.5"], ["GZIP"]] * 2:
        headers = [("accept-encoding", line) for line in lines]
        with api.http.stream("GET", path, headers=headers) as answer:
            answer.read()

        assert answer.headers.get("content-encoding") == "gzip", f"{path}: {lines}"


@pytest.mark.criterion("R12.6")
@pytest.mark.parametrize("path", ["/health", "/products?category_id=42", "/products/999999999"])
def test_a_small_answer_is_sent_as_it_is(api: Subject, path: str) -> None:
    size, encoding = wire_bytes(api, path, "gzip")

    assert size < 1000
    assert encoding is None


@pytest.mark.criterion("R12.3")
@pytest.mark.parametrize("path", ["/products", "/products/1", "/products/batch?ids=1,2", "/categories"])
def test_a_client_without_gzip_gets_plain_bytes(api: Subject, path: str) -> None:
    content = api.get(path, accept_encoding="gzip").json()

    for accept in ("identity", "br", "deflate", "deflate, br", "zstd, br;q=0.5"):
        assert api.get(path, accept_encoding=accept).json() == content, accept
        assert wire_bytes(api, path, accept)[1] is None, accept
    silent = http.client.HTTPConnection("127.0.0.1", api.server.port)
    silent.putrequest("GET", path, skip_accept_encoding=True)
    silent.endheaders()
    assert silent.getresponse().getheader("content-encoding") is None, "a client that says nothing"
    silent.close()


@pytest.mark.criterion("R12.3")
def test_every_page_says_the_same_to_clients_with_and_without_gzip(api: Subject) -> None:
    for category in range(1, 42):
        path = f"/products?limit=3&category_id={category}"
        packed, plain = (api.get(path, accept_encoding=accept).json() for accept in ("gzip", "identity"))
        assert packed == plain, path


TRIES = 20


def product_of(subject: Subject, size: int) -> tuple[str, httpx.Response]:
    """A new product whose JSON has so many bytes: its path, and the answer to the POST."""
    fields = {"name": "Sized", "price": "9.99", "category_id": EMPTY_CATEGORY}
    smallest = len(json.dumps(subject.new_product(**fields), separators=(",", ":")))
    length = size - smallest
    # Numbers and times may have a digit more or less.
    for _ in range(TRIES):
        sent = {**fields, "description": "d" * length}
        answer = subject.http.post("/products", json=sent, headers={"accept-encoding": "gzip"})
        path = f"/products/{answer.json()['id']}"
        if (found := wire_bytes(subject, path, "identity")[0]) == size:
            return path, answer
        length += size - found
    raise AssertionError(f"GET {path} has {found} bytes instead of {size}, after {TRIES} tries")


@pytest.mark.criterion("R12.6")
@pytest.mark.parametrize("size", [500, 700, 900, 999])
def test_an_answer_just_under_a_kilobyte_is_sent_as_it_is(shared: Subject, size: int) -> None:
    path, made = product_of(shared, size)

    assert "content-encoding" not in made.headers
    assert wire_bytes(shared, path, "gzip") == (size, None)


@pytest.mark.criterion("R12.1")
@pytest.mark.parametrize("size", [1000, 1001, 1400, 3000, 7000])
def test_an_answer_of_a_kilobyte_and_more_is_sent_compressed(shared: Subject, size: int) -> None:
    path, made = product_of(shared, size)

    assert made.headers.get("content-encoding") == "gzip"
    for accept in ("gzip", "gzip, deflate, br, zstd", "br;q=1.0, gzip;q=0.8", "deflate,gzip"):
        assert wire_bytes(shared, path, accept)[1] == "gzip", accept
    listing = f"/products?category_id={EMPTY_CATEGORY}"
    for _ in range(2):
        assert wire_bytes(shared, listing, "gzip")[1] == "gzip", "the listing that holds it"


LISTED = {
    "listing": f"/products?category_id={EMPTY_CATEGORY}",
    "batch": "/products/batch?ids={}",
}


def alone_in_a_list(subject: Subject, kind: str, size: int) -> str:
    """A listing or a batch of one product that has so many bytes."""
    product = subject.new_product(category_id=EMPTY_CATEGORY)["id"]
    path, length = LISTED[kind].format(product), 0
    for _ in range(TRIES):
        if (found := wire_bytes(subject, path, "identity")[0]) == size:
            return path
        length += size - found
        changed = subject.http.put(f"/products/{product}", json={"description": "d" * length})
        assert changed.status_code == 200, changed.text
    raise AssertionError(f"GET {path} has {found} bytes instead of {size}, after {TRIES} tries")


@pytest.mark.criterion("R12.1")
@pytest.mark.parametrize("kind", LISTED)
def test_a_list_of_a_kilobyte_is_sent_compressed(shared: Subject, kind: str) -> None:
    path = alone_in_a_list(shared, kind, 1000)

    for _ in range(2):
        assert wire_bytes(shared, path, "gzip")[1] == "gzip"


@pytest.mark.criterion("R12.6")
@pytest.mark.parametrize("kind", LISTED)
def test_a_list_just_under_a_kilobyte_is_sent_as_it_is(shared: Subject, kind: str) -> None:
    path = alone_in_a_list(shared, kind, 999)

    for _ in range(2):
        assert wire_bytes(shared, path, "gzip") == (999, None)


@pytest.mark.criterion("R12.1")
def test_a_kilobyte_is_counted_in_bytes_and_not_in_characters(shared: Subject) -> None:
    product = shared.new_product(category_id=EMPTY_CATEGORY, description="é" * 450)
    size, _ = wire_bytes(shared, f"/products/{product['id']}", "identity")
    assert size - 450 < 1000 <= size

    for path in (f"/products/{product['id']}", f"/products?limit=1&category_id={EMPTY_CATEGORY}") * 2:
        assert wire_bytes(shared, path, "gzip")[1] == "gzip", path


@pytest.mark.criterion("R12.4")
@pytest.mark.parametrize("path", ["/products", "/products/1"])
def test_a_client_that_refuses_gzip_gets_plain_bytes(api: Subject, path: str) -> None:
    for accept in (
        "gzip;q=0",
        "gzip; q=0",
        "gzip;q=0.0",
        "gzip;q=0.000",
        "br, gzip ;q=0",
        "gzip;q=0, *;q=0.5",
    ):
        assert wire_bytes(api, path, accept)[1] is None, accept


@pytest.mark.criterion("R12.5")
def test_caches_are_told_that_the_encoding_was_negotiated(api: Subject) -> None:
    for accept in ("gzip", "identity"):
        vary = api.get("/products", accept_encoding=accept).headers.get("vary", "")
        assert "accept-encoding" in vary.lower(), f"Vary: {vary!r}"


@pytest.mark.criterion("R12.3")
def test_pages_of_one_size_are_not_mistaken_for_each_other_by_plain_clients(shared: Subject) -> None:
    # Unlike in all but their size, plain and compressed: digits that are drawn do not compress differently.
    for number in range(8):
        digits = "".join(Random(number).choices("0123456789", k=1500))
        shared.new_product(category_id=EMPTY_CATEGORY, name=f"Number {number}", description=digits)
    listing = f"/products?limit=1&category_id={EMPTY_CATEGORY}"
    paths = [listing, *(page["next"] for page in pages(shared, listing) if page["next"])]

    for accept in ("identity", "gzip", "identity"):
        names = [shared.get(path, accept_encoding=accept).json()["items"][0]["name"] for path in paths]
        assert names == [f"Number {number}" for number in range(8)], accept


@pytest.mark.criterion("R12.2")
def test_answers_to_many_at_once_are_compressed_as_well(own: Subject) -> None:
    # With up to 50 reviews each.
    paths = [f"/products/{number}" for number in range(1, 61)]
    paths += [f"/products/batch?ids={number},{number + 1}" for number in range(1, 61)]

    # All of them wait inside of the catalog; the auditor looks at what they got.
    seen = while_waiting(own, paths, backends=50, held_s=0.5, next_s=NEXT_S)

    assert seen.statuses == {"200": len(paths)}, seen.statuses
