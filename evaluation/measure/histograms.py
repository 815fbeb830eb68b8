"""Keeps all latencies of a target as one small text: an HDR histogram in its portable form (V2, base64).

https://github.com/HdrHistogram/HdrHistogram describes the form; a value is kept to two significant digits.
The package has no wheel for ARM: there nothing is kept, and reports tell the percentiles of the rounds alone.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

try:
    from hdrh.histogram import HdrHistogram
except ImportError:
    HdrHistogram = None

LONGEST_US = 120_000_000
"""No request is waited for as long as this; a latency beyond it is kept as this."""
DIGITS = 2


def histograms_of(results: Mapping[str, Iterable[dict[str, Any]]]) -> dict[str, str]:
    """The latencies in all results of the load client, by target; nothing for one that answered nothing."""
    return histograms(
        {name: [ms for result in found for ms in result["latencies_ms"]] for name, found in results.items()}
    )


def histograms(latencies_ms: Mapping[str, Iterable[float]]) -> dict[str, str]:
    """Latencies by target as histograms of microseconds."""
    if HdrHistogram is None:
        return {}
    found = {name: counted_us(values) for name, values in latencies_ms.items()}
    return {name: encoded(counts) for name, counts in found.items() if counts}


def counted_us(latencies_ms: Iterable[float]) -> Counter[int]:
    """How often each latency was seen, in whole microseconds from 1 on."""
    return Counter(min(LONGEST_US, max(1, round(1000 * ms))) for ms in latencies_ms)


def encoded(counts: Counter[int]) -> str:
    """A histogram as text."""
    histogram = HdrHistogram(1, LONGEST_US, DIGITS)
    for value_us, count in counts.items():
        histogram.record_value(value_us, count)
    text: bytes = histogram.encode()
    return text.decode("ascii")


def decoded(text: str | None) -> Any:
    """A histogram as the package has it; None where nothing was kept, or where it cannot be read."""
    return None if text is None or HdrHistogram is None else HdrHistogram.decode(text)
