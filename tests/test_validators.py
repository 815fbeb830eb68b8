"""A client that has the newest answer is not sent it again: R15."""

import string
from random import sample

import httpx
import pytest

from tests.audit.tables import LIFETIME_S
from tests.conftest import EMPTY_CATEGORY, HOST, Subject
from tests.passing_time import pass_time

LARGE = range(1201, 1301)
"""Products that are given long descriptions."""
RANDOM_TEXT = (
    "(select left(string_agg(md5(p.id || '/' || n), ''), 4500) || repeat('x', 5499) "
    "from generate_series(1, 141) n)"
)
"""Text that compression makes a quarter as long, and no less."""
TAGGED = ["/products?limit=3", "/products/12"]
SIGNS = string.punctuation.replace('"', "")


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

    lists = [f'"other", {etag}', f'"other",{etag}', f'{etag},"other"', f'"other" , W/"x",{etag} , "y"']
    for known in (*lists, f'W/"a, b", {etag}', f", {etag},", other, "*"):
        again = api.get(path, if_none_match=known)
        assert again.status_code == 304, f"If-None-Match: {known} -> {again.status_code}"
    for lines in (['"other"', etag], [etag, '"other"']):
        fields = [("if-none-match", line) for line in lines]
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
    # A tag may hold any of these, and none of them means anything there.
    signs = sample(SIGNS, len(SIGNS))
    others += ["".join(signs), *(f"{sign}x{sign}" for sign in signs[:4])]
    for other in others:
        answer = api.get(path, if_none_match=f'"{other}"')

        assert answer.status_code == 200 or other == opaque, f"If-None-Match: {other}, the tag is {etag}"
        assert other == opaque or answer.json() == api.json(path)


@pytest.mark.criterion("R15.3")
def test_the_tag_of_a_page_changes_with_what_comes_behind_it(shared: Subject) -> None:
    path = f"/products?limit=1&category_id={EMPTY_CATEGORY}"
    shared.new_product(category_id=EMPTY_CATEGORY)
    alone = shared.get(path)
    second = shared.new_product(category_id=EMPTY_CATEGORY)["id"]
    followed = shared.get(path, if_none_match=alone.headers.get("etag", '"none"'))
    shared.http.delete(f"/products/{second}").raise_for_status()
    alone_again = shared.get(path, if_none_match=followed.headers.get("etag", '"none"'))

    assert [answer.status_code for answer in (alone, followed, alone_again)] == [200, 200, 200]
    assert [bool(answer.json()["next"]) for answer in (alone, followed, alone_again)] == [False, True, False]
    assert alone.headers["etag"] != followed.headers["etag"] != alone_again.headers["etag"]


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


@pytest.mark.criterion("API.1")
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/products/4000000", 404),
        ("/nowhere", 404),
        ("/products?limit=0", 422),
        ("/products/batch?ids=", 422),
    ],
)
def test_a_refusal_is_sent_whatever_validators_come_with_the_request(
    api: Subject, path: str, status: int
) -> None:
    for validator in ("*", '"any"', api.get(path).headers.get("etag", 'W/"any"')):
        answer = api.get(path, if_none_match=validator)

        assert answer.status_code == status, f"If-None-Match: {validator}"
        assert answer.json()["detail"]


@pytest.mark.criterion("R15.3")
@pytest.mark.parametrize("kind", ["detail", "batch", "listing"])
def test_one_letter_in_the_middle_of_a_large_answer_changes_the_tag(own: Subject, kind: str) -> None:
    own.sql("update products set category_id = %s where id = any(%s)", EMPTY_CATEGORY, [*LARGE])
    own.sql(
        f"update products p set is_active = true, description = {RANDOM_TEXT} where id = any(%s)", [*LARGE]
    )
    one_each = "select min(id) from reviews group by product_id"
    own.sql(f"update reviews p set body = {RANDOM_TEXT} where product_id >= 1201 and id in ({one_each})")
    for product in (LARGE[50], LARGE[-1]):
        path = {
            "detail": f"/products/{product}",
            "batch": f"/products/batch?ids={','.join(map(str, LARGE))}",
            "listing": f"/products?limit=100&category_id={EMPTY_CATEGORY}",
        }[kind]
        [(text,)] = own.sql("select description from products where id = %s", product)
        for place in (100, 5_000, 9_900):
            etag = tag_of(own, path)
            text = f"{text[:place]}y{text[place + 1 :]}"
            own.http.put(f"/products/{product}", json={"description": text}).raise_for_status()

            answer = own.get(path, if_none_match=etag)

            assert answer.status_code == 200, f"304 after a change of letter {place} of product {product}"
            told = f"{len(answer.content)} bytes, letter {place} of product {product} is another one"
            assert answer.headers["etag"] != etag, told


@pytest.mark.criterion("R15.3")
def test_every_process_gives_the_same_content_the_same_tag(shared: Subject, second_server: Subject) -> None:
    paths = [
        "/products/3",
        "/products/4",
        "/products?limit=2&category_id=5",
        "/products?limit=3&category_id=5",
    ]
    first = [shared.get(path, host=HOST) for path in paths]
    shared.new_product()  # what the second process answers is no copy of what the first one made
    second = [second_server.get(path, host=HOST) for path in paths]

    tags = [answer.headers.get("etag") for answer in first]
    assert None not in tags
    assert len(set(tags)) == len(tags)
    # A link to the next page may hold what is not the same in two processes; then the content is another.
    alike = [pair for pair in zip(first, second, strict=True) if pair[0].content == pair[1].content]
    assert len(alike) >= 2, "two processes show the same products differently"
    assert [b.headers.get("etag") for _, b in alike] == [a.headers["etag"] for a, _ in alike]


CHANGES_BEHIND = {
    "product": "update products set description = 'changed' where id = 2",
    "category": "update categories set description = 'changed'",
    "inventory": "update inventory set reserved = reserved + 1 where product_id = 2",
    "review": "update reviews set body = 'changed' where product_id = 2",
    "reviewer": "update users set location = 'changed'",
    "review gone": "delete from reviews where id = (select min(id) from reviews where product_id = 2)",
}


@pytest.mark.criterion("R15.3")
def test_whatever_changes_changes_the_tag(own: Subject) -> None:
    paths = ["/products?limit=2", "/products/2", "/products/batch?ids=2", "/categories"]
    for kind, statement in CHANGES_BEHIND.items():
        before = {path: own.get(path) for path in paths}
        own.sql(statement)
        pass_time([own], LIFETIME_S + 1)
        for path in paths:
            # Where the clock of a cache cannot be moved, an old body has its old tag.
            after = own.get(path)
            is_same = after.content == before[path].content
            tags = before[path].headers.get("etag"), after.headers.get("etag")
            assert tags == (None, None) or is_same == (tags[0] == tags[1]), (
                f"{kind}: {path} has the tags {tags}"
            )


VALIDATORS = {
    "its-tag": "if-none-match: {}",
    "any-tag": "if-none-match: *",
    "must-be-its-tag": "if-match: {}",
    "must-be-another": 'if-match: "other"',
}


@pytest.mark.criterion("R15.7")
@pytest.mark.parametrize("validator", VALIDATORS.values(), ids=VALIDATORS)
def test_a_write_is_carried_out_whatever_validators_come_with_it(shared: Subject, validator: str) -> None:
    path = f"/products/{shared.new_product(category_id=EMPTY_CATEGORY)['id']}"
    new = {"name": "New", "price": "9.99", "category_id": EMPTY_CATEGORY}
    review = {"author_id": 2, "rating": 4, "title": "Fine"}
    name, _, value = validator.format(tag_of(shared, path)).partition(": ")

    answers = [
        shared.http.request(method, target, json=body, headers={name: value})
        for method, target, body in (
            ("PUT", path, {"name": "Changed"}),
            ("POST", f"{path}/reviews", review),
            ("POST", "/products", new),
        )
    ]
    product = shared.json(path)
    answers.append(shared.http.delete(path, headers={name: value}))

    assert [answer.status_code for answer in answers] == [200, 201, 201, 204]
    assert (product["name"], product["review_count"]) == ("Changed", 1)
    assert answers[0].json()["name"] == "Changed"
    assert shared.get(path).status_code == 404
