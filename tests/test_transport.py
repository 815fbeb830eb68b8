"""How answers are sent: compressed (R12), and without a body when the client already has it (R15)."""

import http.client
import json

import httpx
import pytest

from tests.conftest import EMPTY_CATEGORY, Subject


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


def product_of(subject: Subject, size: int) -> tuple[str, httpx.Response]:
    """A new product whose JSON has so many bytes: its path, and the answer to the POST."""
    fields = {"name": "Sized", "price": "9.99", "category_id": EMPTY_CATEGORY}
    smallest = len(json.dumps(subject.new_product(**fields), separators=(",", ":")))
    sent = {**fields, "description": "d" * (size - smallest)}
    answer = subject.http.post("/products", json=sent, headers={"accept-encoding": "gzip"})
    path = f"/products/{answer.json()['id']}"
    assert wire_bytes(subject, path, "identity")[0] == size
    return path, answer


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


TAGGED = ["/products?limit=3", "/products/12"]


def tag_of(subject: Subject, path: str) -> str:
    """The current tag of an answer."""
    etag: str | None = subject.get(path).headers.get("etag")
    assert etag, "no ETag"
    return etag


@pytest.mark.criterion("R15.2")
@pytest.mark.parametrize("path", TAGGED)
def test_a_client_that_has_the_newest_answer_is_not_sent_it_again(api: Subject, path: str) -> None:
    etag = tag_of(api, path)
    again = api.get(path, if_none_match=etag)

    assert again.status_code == 304, f"If-None-Match: {etag} -> {again.status_code}"
    assert again.content == b""


@pytest.mark.criterion("R15.4")
@pytest.mark.parametrize("path", TAGGED)
def test_validators_are_read_as_the_standard_says(api: Subject, path: str) -> None:
    etag = tag_of(api, path)
    other = etag.removeprefix("W/") if etag.startswith("W/") else f"W/{etag}"

    for known in (f'"other", {etag}', f'W/"a, b", {etag}', other, "*"):
        again = api.get(path, if_none_match=known)
        assert again.status_code == 304, f"If-None-Match: {known} -> {again.status_code}"
    fields = [("if-none-match", '"other"'), ("if-none-match", etag)]
    assert api.http.get(path, headers=fields).status_code == 304, f"two header lines, {fields}"


@pytest.mark.criterion("R15.5")
@pytest.mark.parametrize("path", TAGGED)
def test_a_304_carries_what_a_cache_needs(api: Subject, path: str) -> None:
    whole = api.get(path)
    again = api.get(path, if_none_match=tag_of(api, path))

    for name in ("etag", "cache-control", "vary"):
        assert words_of(again, name) == words_of(whole, name), name


def words_of(answer: httpx.Response, name: str) -> set[str]:
    """The words of a header, however often and in whatever order they stand there."""
    return {word.strip().lower() for word in answer.headers.get(name, "").split(",")}


@pytest.mark.criterion("R15.2")
@pytest.mark.parametrize("path", ["/products?limit=3", "/products/12"])
def test_a_client_with_something_else_is_sent_the_answer(api: Subject, path: str) -> None:
    etag = api.get(path).headers.get("etag", '"none"')
    opaque = etag.removeprefix("W/").strip('"')
    others = ["something-else", f"{opaque}-gzip", f"x{opaque}", opaque[:-1], opaque[1:], opaque.swapcase()]
    for other in others:
        answer = api.get(path, if_none_match=f'"{other}"')

        assert answer.status_code == 200 or other == opaque, f"If-None-Match: {other}, the tag is {etag}"
        assert other == opaque or answer.json() == api.json(path)


@pytest.mark.criterion("R15.3")
@pytest.mark.parametrize("path", ["/products?limit=1&category_id=42", "/products/{}"])
@pytest.mark.parametrize("write", ["put", "review"])
def test_a_changed_row_changes_the_tag(shared: Subject, path: str, write: str) -> None:
    product = shared.new_product(category_id=42)["id"]
    path = path.format(product)
    etag = shared.get(path).headers.get("etag")
    assert etag, "no ETag"

    if write == "put":
        shared.http.put(f"/products/{product}", json={"quantity": 7}).raise_for_status()
    else:
        review = {"author_id": 2, "rating": 4, "title": "Fine"}
        shared.http.post(f"/products/{product}/reviews", json=review).raise_for_status()

    changed = shared.get(path, if_none_match=etag)
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


@pytest.mark.criterion("R15.3")
@pytest.mark.parametrize("path", ["/products?limit=20", "/products/1", "/products/batch?ids=1,2,3,4"])
def test_a_change_at_the_very_end_changes_the_tag(shared: Subject, path: str) -> None:
    etag = shared.get(path).headers.get("etag")
    content = shared.json(path)
    last = (
        content["items"][-1] if "items" in content else content[-1] if isinstance(content, list) else content
    )
    review = {"author_id": 2, "rating": 1, "title": "The end"}
    shared.http.post(f"/products/{last['id']}/reviews", json=review).raise_for_status()

    changed = shared.get(path)

    assert changed.headers.get("etag") != etag or etag is None


@pytest.mark.criterion("R15.3")
def test_every_process_gives_the_same_content_the_same_tag(shared: Subject, second_server: Subject) -> None:
    tags = [shared.get("/products/3").headers.get("etag")]
    tags.append(second_server.get("/products/3").headers.get("etag"))
    tags.append(second_server.get("/products/4").headers.get("etag"))

    assert tags[0], "no ETag"
    assert tags[0] == tags[1] != tags[2]
