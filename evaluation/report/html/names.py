"""What the page calls the sides, the requests, the scenarios and the servers of a report."""

SIDES = {"before": "baseline", "after": "candidate"}
REQUESTS = {
    "first_page_cold": "first page, cold",
    "first_page_warm": "first page, again",
    "inactive_page_cold": "inactive page, cold",
    "detail": "one product",
    "batch_of_20": "batch of 20",
    "categories": "categories",
}
SCENARIOS = {
    "stampede": "One cold page, fresh process",
    "stampede_two_processes": "One cold page, two fresh processes",
    "cold_page_one_client": "A cold page after every expiry",
    "hot": "One warm page",
    "hot_two_processes": "One warm page, two processes",
    "hot_open_loop": "One warm page, 2,000 requests due each second",
    "hot_one_client": "One warm page",
    "revalidate": "One warm page that the client has (304)",
    "popular": "2,000 pages by popularity",
    "popular_60s": "Popular pages for a minute",
    "deep": "Far pages of one category",
    "detail": "Single products",
    "batch": "Batches of 20 products",
    "cold": "Many cold listings",
    "mixed": "95 % reads, 5 % writes",
}
TARGETS = {
    "after": "candidate",
    "before": "baseline",
    "null": "null server",
    "ceiling": "nginx",
    "floor": "the one SQL statement",
}
"""What is timed, by the look of its curve."""


def request(name: str) -> str:
    """The words for a single request."""
    return REQUESTS.get(name, name)


def scenario(name: str, clients: int) -> str:
    """The words for a scenario of load."""
    return f"{SCENARIOS.get(name, name)}, {clients} client{'' if clients == 1 else 's'}"
