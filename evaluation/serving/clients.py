"""Header sets of ordinary clients, a little different each time: candidates cannot recognise the harness."""

import ipaddress
from random import Random

CLIENTS: tuple[tuple[str, dict[str, str]], ...] = (
    (
        "Chrome",
        {
            "sec-ch-ua": '"Chromium";v="{version}", "Google Chrome";v="{version}", "Not_A Brand";v="24"',
            "sec-ch-ua-mobile": "?0",
            "sec-ch-ua-platform": '"Windows"',
            "User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/{version}.0.0.0 Safari/537.36",
            "Accept": "application/json, text/plain, */*",
            "Sec-Fetch-Site": "same-origin",
            "Sec-Fetch-Mode": "cors",
            "Sec-Fetch-Dest": "empty",
            "Accept-Encoding": "gzip, deflate",
            "Accept-Language": "{language};q=0.9",
        },
    ),
    (
        "Firefox",
        {
            "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:{version}.0) Gecko/20100101 "
            "Firefox/{version}.0",
            "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "Accept-Language": "{language};q=0.5",
            "Accept-Encoding": "gzip, deflate",
            "Upgrade-Insecure-Requests": "1",
            "Priority": "u=0, i",
        },
    ),
    (
        "Safari",
        {
            "Accept": "*/*",
            "Accept-Language": "{language};q=0.9",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) Version/18.{minor} Safari/605.1.15",
        },
    ),
    ("curl", {"User-Agent": "curl/8.{minor}.0", "Accept": "*/*"}),
    ("Go", {"User-Agent": "Go-http-client/1.1", "Accept-Encoding": "gzip"}),
)
"""Names and headers, in the order in which the client sends them; `{...}` is drawn for each request."""
BROWSERS = ("Chrome", "Firefox", "Safari")
"""Those that keep an answer and ask with its tag whether it still holds."""
SOMETIMES = {
    "Referer": "https://shop{minor}.example/list",
    "Cookie": "session={number:032x}",
    "X-Forwarded-For": "203.0.113.{minor}",
    "X-Request-ID": "{number:032x}",
    "traceparent": "00-{number:032x}-{version:016x}-01",
    "DNT": "1",
    "Cache-Control": "{reload}",
}
"""What clients, and proxies before us, send besides: each in one of SELDOM requests."""
SELDOM = 5
LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
LANGUAGES = ("en-US,en", "de-DE,de", "fr-FR,fr", "ja-JP,ja", "pt-BR,pt", "es-ES,es")


def drawn(random: Random) -> tuple[str, dict[str, str]]:
    """The name and the headers of a client, for one request, in the order in which it sends them."""
    name, headers = random.choice(CLIENTS)
    facts = {
        "version": random.randint(128, 145),
        "minor": random.randint(1, 14),
        "language": random.choice(LANGUAGES),
        "number": random.getrandbits(128),
        "reload": random.choice(("no-cache", "max-age=0")),
    }
    besides = {name: value for name, value in SOMETIMES.items() if not random.randrange(SELDOM)}
    return name, {header: value.format(**facts) for header, value in (headers | besides).items()}


def drawn_with_gzip(random: Random) -> dict[str, str]:
    """The headers of a client that takes gzip."""
    headers = drawn(random)[1]
    headers.setdefault("Accept-Encoding", "gzip")
    return headers


def address(random: Random) -> str:
    """An address of this machine for a client to call from: not all clients are one."""
    return str(LOOPBACK[random.randrange(2, LOOPBACK.num_addresses - 2)])
