"""Page costs by the size of the catalog, as rows that the terminal and Markdown both print."""

from typing import Any

from evaluation.report.printable import one_line

SIDES = ("before", "after")


def is_measured(report: dict[str, Any]) -> bool:
    """Whether a report contains page costs."""
    return any(side["pages"] for side in report.get("growth", {}).values())


def header(growth: dict[str, Any]) -> list[str]:
    """The names of the columns."""
    return ["side", "listing", "depth", *(f"{products:,} products" for products in catalogs(growth)), "law"]


def rows(growth: dict[str, Any]) -> list[list[str]]:
    """One row for every side, listing and depth: buffers and ms for every size, and the buffers' law."""
    return [
        [name, law["listing"] or "all", f"{law['depth']:.0%}", *cells(growth, name, law), law_cell(law)]
        for name in SIDES
        for law in growth[name]["laws"]
    ]


def cells(growth: dict[str, Any], name: str, law: dict[str, Any]) -> list[str]:
    """The cost of a page of a listing at a depth, for every size."""
    costs = {
        cost["products"]: cell(cost)
        for cost in growth[name]["pages"]
        if (cost["listing"], cost["depth"]) == (law["listing"], law["depth"])
    }
    return [costs.get(products, "-") for products in catalogs(growth)]


def cell(cost: dict[str, Any]) -> str:
    """Buffers and ms of a page, and its depth when that is not the requested one."""
    if cost["buffers"] is None:
        return "no figures"
    place = f" at {cost['skipped'] / cost['listed']:.0%}" if cost["trouble"] else ""
    return f"{cost['buffers']:,.0f} / {cost['page_ms']:,.1f} ms{place}"


def law_cell(law: dict[str, Any]) -> str:
    """The law of the buffers with its exponent."""
    power = law["buffers_exponent"]
    return law["buffers_law"] if power is None else f"{law['buffers_law']} (n^{power:.2f})"


def notes(growth: dict[str, Any]) -> list[str]:
    """How deep pages compare with shallow pages, and which pages could not be measured."""
    lines = []
    for name in SIDES:
        if found := growth[name]["deepenings"]:
            worst = max(found, key=lambda one: abs(one["buffers_ratio"] - 1))
            alike = sum(one["is_alike"] for one in found)
            lines.append(
                f"{name}: {alike} of {len(found)} deeper pages within 10 % of the shallowest in buffers, "
                f"the farthest {worst['buffers_ratio']:.2f} times ({where(worst)})"
            )
        failed = [cost for cost in growth[name]["pages"] if cost["trouble"]]
        lines += [f"{name}: {where(cost)}: {one_line(cost['trouble'])}" for cost in failed]
    return [*lines, *count_lines(growth)]


def count_lines(growth: dict[str, Any]) -> list[str]:
    """What a full count costs in the largest catalog, beside a further page, which may keep the total."""
    lines = []
    for name in SIDES:
        counts = growth[name].get("counts") or []
        if not (largest := max(counts, key=lambda one: one["products"], default=None)):
            continue
        line = f"{name}: {largest['products']:,} products: a full count of {largest['counted']:,} costs "
        line += f"{largest['buffers']:,} buffers and {largest['ms']:,.1f} ms"
        further = [
            page
            for page in growth[name]["pages"]
            if (page["products"], page["listing"]) == (largest["products"], "")
            and page["buffers"] is not None
        ]
        if further:
            page = further[0]
            line += f"; a further page {page['buffers']:,.0f} buffers, {page['statements']:,g} statements, "
            line += f"of which {page['counting']:g} count"
        lines.append(line)
    return lines


def page_500_lines(report: dict[str, Any]) -> list[str]:
    """The cost of the page that follows 500 others, before and after; nothing where it was not measured."""
    costs = {name: cost for name, cost in report.get("page_500", {}).items() if cost}
    return [
        f"{name}: the page after {cost['skipped']:,} of {cost['listed']:,} products: {cell(cost)}"
        + (f" ({one_line(cost['trouble'])})" if cost["trouble"] else "")
        for name, cost in costs.items()
    ]


def where(page: dict[str, Any]) -> str:
    """The listing, depth and catalog of a page."""
    return f"{page['listing'] or 'all'}, {page['depth']:.0%} of {page['products']:,} products"


def catalogs(growth: dict[str, Any]) -> list[int]:
    """The numbers of products in the catalogs, in order."""
    return sorted({cost["products"] for name in SIDES for cost in growth[name]["pages"]})
