"""Whatever a server sends, a request of ours ends within its bytes and its time, with the reason."""

import gzip
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import httpx
import pytest

from evaluation.errors import CandidateError
from evaluation.measure.rounds import run_client
from evaluation.measure.scenarios import gets
from evaluation.serving.connection import AnswerError, Connection
from tests.audit.transport import whole

OK = b"HTTP/1.1 200 OK\r\n"
PACKED = OK + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n"
MEGABYTE = bytes(1 << 20)


def bomb() -> bytes:
    """A gzip body of 100 kB that unpacks to 100 MB."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([*(packer.compress(MEGABYTE) for _ in range(100)), packer.flush()])


@contextmanager
def answering(first: bytes, endless: bytes = b"", pause_s: float = 0.0) -> Iterator[int]:
    """A server that sends everybody the same, whatever was asked, and then hangs up; yields its port.

    Where there is an endless part, that is repeated, with a pause after each time.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer(client: socket.socket) -> None:
            with client, suppress(OSError):
                client.recv(1 << 16)
                client.sendall(first)
                while endless:
                    client.sendall(endless)
                    time.sleep(pause_s)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client = listener.accept()[0]
                    threading.Thread(target=answer, args=(client,), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(
    ("first", "endless", "pause_s", "message"),
    [
        (OK + b"\r\n", MEGABYTE, 0.0, "more than"),
        (OK, b"X: y\r\n" * 10_000, 0.0, "100 headers"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000, 0.0, "more than|in time"),
        (OK + b"\r\n", b"x", 0.05, "in time|timed out"),
        (OK, b"x", 0.05, "in time|timed out"),
        (OK + b"Content-Length: 10\r\n\r\nfive", b"", 0.0, "IncompleteRead"),
        (b"nonsense\r\n\r\n", b"", 0.0, "BadStatusLine"),
        (b"", b"", 0.0, "RemoteDisconnected"),
        (PACKED + b"no gzip", b"", 0.0, "is not"),
        (PACKED + gzip.compress(b"cut")[:-4], b"", 0.0, "without its end"),
        (PACKED + bomb(), b"", 0.0, "unpacks to more than"),
    ],
    ids=[
        "endless", "headers", "continue", "drips", "headers-drip", "cut", "nonsense", "silent",
        "no-gzip", "cut-gzip", "bomb",
    ],
)  # fmt: skip
def test_an_answer_that_is_none_ends_with_its_reason(
    first: bytes, endless: bytes, pause_s: float, message: str
) -> None:
    started = time.monotonic()

    with (
        answering(first, endless, pause_s) as port,
        closing(Connection(port, 1.0)) as asking,
        pytest.raises(AnswerError, match=message) as error,
    ):
        asking.get("/").body()

    assert isinstance(error.value, CandidateError)
    assert time.monotonic() - started < 5


def test_a_packed_answer_of_several_members_is_unpacked() -> None:
    packed = PACKED + gzip.compress(b"one ") + gzip.compress(b"two")

    with answering(packed) as port, closing(Connection(port)) as asking:
        assert asking.get("/").body() == b"one two"


@pytest.mark.parametrize(
    ("first", "endless", "pause_s", "message"),
    [
        (OK + b"\r\n", MEGABYTE, 0.0, "more than"),
        (OK + b"\r\n", b"x", 0.05, "did not end"),
        (PACKED + bomb(), b"", 0.0, "unpacks to more than"),
    ],
    ids=["endless", "drips", "bomb"],
)
def test_the_client_of_the_suite_has_the_same_limits(
    first: bytes, endless: bytes, pause_s: float, message: str
) -> None:
    with answering(first, endless, pause_s) as port, httpx.HTTPTransport(verify=False) as sender:
        answer = sender.handle_request(httpx.Request("GET", f"http://127.0.0.1:{port}/"))
        with pytest.raises(httpx.TransportError, match=message):
            whole(answer, time.perf_counter() + 1.0)


def test_the_load_client_breaks_off_what_does_not_end() -> None:
    with answering(OK + b"\r\n", MEGABYTE) as port:
        plan = {"ports": [port], "clients": 2, "requests": gets(["/"]), "seconds": 0.3, "patience_s": 1.0}
        [result] = run_client([plan])

    assert result["outcomes"]["too large"] > 0
    assert set(result["outcomes"]) <= {"too large", "timeout"}
