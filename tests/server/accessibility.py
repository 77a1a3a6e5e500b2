"""Faults of a page that keep somebody from using it, as axe-core finds them."""

from functools import cache
from pathlib import Path

from playwright.async_api import Page

from tests.packages import node_packages

FIND = """async () => {
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations.flatMap(({ id, impact, help, nodes }) =>
        nodes.map(({ target }) => `${id} (${impact}): ${help}: ${target.flat().join(" ")}`));
}"""


@cache
def _axe() -> str:
    packages = node_packages(Path(__file__).parent / "axe")
    return (packages / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


async def violations(page: Page) -> list[str]:
    """Return one line for each fault and element: the rule, how grave it is, what to do, and the element.

    assert await violations(visit.page) == []
    """
    await page.evaluate(_axe())
    found: list[str] = await page.evaluate(FIND)
    return found
