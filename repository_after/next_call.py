"""One call for all who wait for it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class NextCall(Generic[T]):
    """One call at a time, shared by everyone who asked before it began.

    Nobody gets the result of a call that began before he asked, so sharing never makes it stale.
    """

    def __init__(self, call: Callable[[], Awaitable[T]]) -> None:
        self.call = call
        self.waiting: list[asyncio.Future[T]] = []
        self.running: asyncio.Task[None] | None = None

    def ask(self) -> asyncio.Future[T]:
        """The result of the next call, in a future of one's own."""
        if self.running is None or self.running.done():
            self.running = asyncio.create_task(self.run())
        # R01: the task knows the loop; to look up the running one would be a system call a request.
        answer: asyncio.Future[T] = self.running.get_loop().create_future()
        self.waiting.append(answer)
        return answer

    async def run(self) -> None:
        """Call for those who wait, until nobody does."""
        waiting: list[asyncio.Future[T]] = []
        try:
            while self.waiting:
                waiting, self.waiting = self.waiting, []
                try:
                    result = await self.call()
                except Exception as error:
                    for answer in waiting:
                        if not answer.done():
                            answer.set_exception(error)
                else:
                    for answer in waiting:
                        if not answer.done():
                            answer.set_result(result)
        finally:
            # Where the call is cancelled, those who wait are told, and who asks next begins anew.
            left, self.waiting, self.running = [*waiting, *self.waiting], [], None
            for answer in left:
                if not answer.done():
                    answer.set_exception(TimeoutError("the call was cancelled"))
