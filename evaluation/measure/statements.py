"""The load of a yardstick: clients that run one statement over asyncpg, without any server between."""

import asyncio
import time

import asyncpg

from evaluation.measure.traffic import Result, StatementLoad, cpu_seconds


async def run_statements(plan: StatementLoad) -> Result:
    """Run the statement on every connection, again and again, until the time is over."""
    connections = [await asyncpg.connect(plan.url, ssl=False) for _ in range(plan.clients)]
    result = Result()
    place = plan.first
    began = time.perf_counter()
    measured_from = began + plan.warm_up_s
    ends = measured_from + plan.seconds

    async def client(connection: asyncpg.Connection) -> None:
        nonlocal place
        while (started := time.perf_counter()) < ends:
            arguments = plan.arguments[place % len(plan.arguments)]
            place += 1
            result.sent += 1
            await connection.fetchval(plan.statement, *arguments)
            if (answered := time.perf_counter()) < measured_from:
                result.warm_up_requests += 1
            else:
                result.count("200")
                result.latencies_ms.append(1000 * (answered - started))

    try:
        async with asyncio.TaskGroup() as clients:
            for connection in connections:
                clients.create_task(client(connection))
            await asyncio.sleep(plan.warm_up_s)
            cpu_before = cpu_seconds()
    finally:
        for connection in connections:
            connection.terminate()
    result.seconds = time.perf_counter() - measured_from
    result.cpu_seconds = cpu_seconds() - cpu_before
    return result
