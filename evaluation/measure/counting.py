"""Measures what it costs Postgres to count a whole listing, with the indexes that a candidate made."""

import re
import statistics

import psycopg

from evaluation.records import CountCost

COUNT = re.compile(r"(?!.*\bgroup\s+by\b).*\bcount\s*\(", re.IGNORECASE | re.DOTALL)
"""A statement that counts a listing, as it stands in pg_stat_statements; one that groups counts reviews."""
FULL = "select count(*) from products where is_active"
TIMES = 3


def measure_full_count(admin_url: str, products: int) -> CountCost:
    """Count all active products a few times; Postgres tells its own time and buffers."""
    explain = f"explain (analyze, buffers, timing off, format json) {FULL}"
    with psycopg.connect(admin_url) as connection:
        [counted] = connection.execute(FULL.encode()).fetchone() or (0,)
        told = [row[0][0] for _ in range(TIMES) for row in connection.execute(explain.encode())]
    touched = [one["Plan"]["Shared Hit Blocks"] + one["Plan"]["Shared Read Blocks"] for one in told]
    ms = statistics.median(one["Execution Time"] for one in told)
    return CountCost(products, counted, round(ms, 2), min(touched))
