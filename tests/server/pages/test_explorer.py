"""The explorer page, in a real browser against a real server, and the headers its files are served with."""

import gzip
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
import strawberry
from playwright.async_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as Endpoint

from resolvers.caller import Caller
from server.auth.authenticator import Authenticator
from server.auth.middleware import AuthMiddleware
from server.execution.saved import start
from server.pages.explorer import MEDIA_TYPES, PAGE, explorer_routes, page_response
from tests.served import served
from tests.server.browsing import Visit, visiting
from tests.server.serving import serving
from tests.server.subscriptions.moving import MovingSandbox
from tests.stand import Sandbox

SAVED: list[dict[str, object]] = [
    {
        "name": "BallsOfGame",
        "comment": "The balls of a game, in the order they were drawn.",
        "query": "# A game.\nquery BallsOfGame($id: ID!) {\n  game(id: $id) {\n    id\n    balls\n  }\n}\n",
        "variables": {"id": "9001"},
    },
    {
        "name": "Rooms",
        "comment": "Every room.",
        "query": "query Rooms {\n  rooms\n}\n",
        "variables": {},
    },
]


@strawberry.type(description="One bingo game.")
class Game:
    id: strawberry.ID = strawberry.field(description="The upstream's own id.")
    balls: list[int] = strawberry.field(description="In the order they were drawn.")


@strawberry.type
class Query:
    @strawberry.field(description="The game with this id.")
    def game(self, id: strawberry.ID) -> Game:
        return Game(id=id, balls=[7, 42, 89])

    @strawberry.field
    def rooms(self) -> list[str]:
        return ["Aurora", "Borealis"]


WIDE = {"width": 1440, "height": 900}
TABS = ".graphiql-tab-button"

schema = strawberry.Schema(Query)


async def graphql(request: Request) -> Response:
    if request.method == "GET":
        return page_response(request)
    body = await request.json()
    answer = await schema.execute(body["query"], body.get("variables"), operation_name=body.get("operationName"))
    content: dict[str, object] = {"data": answer.data}
    if answer.errors:
        content["errors"] = [error.formatted for error in answer.errors]
    return JSONResponse(content, media_type="application/graphql-response+json")


async def saved(caller: Caller) -> list[dict[str, object]]:
    return SAVED


async def nothing(request: Request) -> Response:
    return JSONResponse({"fields": {}, "names": {}, "choices": {}, "reports": {}})


app = Starlette(
    routes=[
        Endpoint("/graphql", graphql, methods=["GET", "POST"]),
        Endpoint("/explorer/fields.json", nothing),
        Endpoint("/explorer/about.json", nothing),
        *explorer_routes(saved),
    ],
    middleware=[Middleware(AuthMiddleware, callers=Authenticator())],
)


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with serving(app) as address:
        yield address


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, origin: str) -> AsyncIterator[Visit]:
    """A page opened by a first-time visitor, in light colours."""
    async with visiting(browser, origin, color_scheme="light", viewport=WIDE) as visit:
        yield visit


async def text(page: Page, editor: str) -> str:
    """Return the text of one of the editors. The browser draws an indentation as no-break spaces."""
    lines = page.get_by_label(editor).locator(".view-line:visible")
    return "\n".join(await lines.all_inner_texts()).replace("\xa0", " ")


async def close_tab(page: Page, name: str) -> None:
    await page.get_by_role("button", name=f"Close tab {name}").click()


async def test_a_first_visit_runs_a_saved_query(visit: Visit, origin: str) -> None:
    page = visit.page
    await page.goto(f"{origin}/explorer")

    await expect(page).to_have_title("gamehub-graph")
    await expect(page.locator(TABS)).to_have_text(["BallsOfGame", "Rooms"])
    await expect(page.get_by_label("Variables").locator(".view-lines").first).to_contain_text("9001")
    await page.get_by_role("button", name="Execute query").click()
    await expect(page.get_by_label("Result Window")).to_contain_text("89")
    assert json.loads(await text(page, "Result Window")) == {"data": {"game": {"id": "9001", "balls": [7, 42, 89]}}}


async def test_the_group_walk_runs_on_the_whole_of_it(browser: Browser, tmp_path: Path) -> None:
    """The server as people start it, with its own sandbox: from the page, offline, and nothing to complain of."""
    with served(tmp_path) as address:
        async with visiting(browser, address, viewport=WIDE) as visit:
            page = visit.page
            await page.goto(f"{address}/explorer")
            await expect(page.locator(TABS)).to_have_text(start())
            await page.locator(TABS).filter(has_text=re.compile("^GroupWalk$")).click()
            await expect(page.get_by_label("Operation Editor")).to_contain_text("GroupWalk")
            await page.get_by_role("button", name="Execute query").click()
            await expect(page.get_by_label("Result Window")).to_contain_text("E2E Development - Physical")
            await expect(page.get_by_label("Result Window")).to_contain_text("jorge.brown")
            # An example that stands in another answer: the id of a game of today.
            saved = page.get_by_role("region", name="Saved queries")
            await saved.get_by_role("button", name="GameDetails").click()
            await expect(page.get_by_label("Operation Editor")).to_contain_text("GameDetails")
            await page.get_by_role("button", name="Execute query").click()
            await expect(page.get_by_label("Result Window")).to_contain_text("E2E Bingo 90")


async def test_a_subscription_shows_what_changes(browser: Browser, tmp_path: Path) -> None:
    query = "subscription { progressiveJackpots { value } }"
    with MovingSandbox(tmp_path) as sandbox, served(tmp_path, **sandbox.settings()) as address:
        sandbox.stand_still()
        async with visiting(browser, address, viewport=WIDE) as visit:
            page = visit.page
            await page.goto(f"{address}/explorer")
            await page.get_by_role("button", name="New tab").click()
            await page.get_by_label("Operation Editor").get_by_role("textbox").focus()
            await page.keyboard.press("Control+A")
            await page.keyboard.insert_text(query)
            await expect(page.get_by_label("Operation Editor")).to_contain_text("progressiveJackpots")
            await page.get_by_role("button", name="Execute query").click()
            answer = page.get_by_label("Result Window")
            await expect(answer).to_contain_text("value")
            sandbox.move_jackpot(98_765_43)
            await expect(answer).to_contain_text("98765.43")
            await expect(page.get_by_label("Last run")).to_contain_text(re.compile(r"HTTP 200.*[2-9] events"))
            await page.get_by_role("button", name="Stop query").click()
            await expect(page.get_by_role("button", name="Execute query")).to_be_visible()


async def test_where_only_saved_queries_run_the_page_runs_them(
    browser: Browser, world: Sandbox, tmp_path: Path
) -> None:
    """Under the same policies as ever: nothing is blocked, and the schema is still shown."""
    upstreams = {"GAMEHUB_URL": world.gamehub_url, "GAMEHUB_TOKEN": world.gamehub_token, "DOCUMENTS": "saved"}
    with served(tmp_path, **upstreams) as address:
        async with visiting(browser, address, viewport=WIDE) as visit:
            page = visit.page
            await page.goto(f"{address}/explorer")
            await page.get_by_title("Open Groups in a new tab").click()
            await expect(page.get_by_label("Operation Editor")).to_contain_text("Groups")
            await page.get_by_role("button", name="Execute query").click()
            await expect(page.get_by_label("Result Window")).to_contain_text("E2E Development - Physical")
            await page.get_by_role("button", name="Show Documentation Explorer").click()
            documentation = page.get_by_role("region", name="Documentation Explorer")
            await expect(documentation).to_contain_text("Query")


async def test_a_tab_brings_its_query_and_variables(browser: Browser, visit: Visit, origin: str) -> None:
    page = visit.page
    await page.goto(f"{origin}/graphql")  # the same page, as a browser gets it there

    await page.get_by_role("tab", name="Rooms").click()
    await expect(page.get_by_label("Operation Editor")).to_contain_text("rooms")
    assert "9001" not in await text(page, "Variables")
    await page.get_by_role("button", name="Execute query").click()
    await expect(page.get_by_label("Result Window")).to_contain_text("Borealis")


async def test_a_closed_saved_query_opens_again(visit: Visit, origin: str) -> None:
    page = visit.page
    await page.goto(f"{origin}/explorer")
    await expect(page.locator(TABS)).to_have_count(2)

    await close_tab(page, "BallsOfGame")
    await expect(page.locator(TABS)).to_have_text(["Rooms"])
    await page.wait_for_function("() => localStorage['graphiql:query']?.includes('rooms')")  # the tab has settled
    panel = page.get_by_role("region", name="Saved queries")
    await expect(panel).to_contain_text("The balls of a game, in the order they were drawn.")
    await panel.get_by_role("button", name="BallsOfGame").click()
    await expect(page.locator(TABS)).to_have_text(["Rooms", "BallsOfGame"])
    await page.get_by_role("button", name="Execute query").click()
    await expect(page.get_by_label("Result Window")).to_contain_text("89")


async def test_a_second_visit_finds_the_tabs_as_they_were_left(visit: Visit, origin: str) -> None:
    page = visit.page
    await page.goto(f"{origin}/explorer")
    await close_tab(page, "Rooms")
    await expect(page.locator(TABS)).to_have_text(["BallsOfGame"])
    await page.wait_for_function("() => JSON.parse(localStorage['graphiql:tabState'] ?? '{}').tabs?.length === 1")

    await page.reload()
    await expect(page.locator(TABS)).to_have_text(["BallsOfGame"])
    await expect(page.get_by_label("Variables").locator(".view-lines").first).to_contain_text("9001")


async def test_the_documentation_explains_a_type(visit: Visit, origin: str) -> None:
    page = visit.page
    await page.goto(f"{origin}/explorer")

    await page.get_by_role("button", name="Show Documentation Explorer").click()
    documentation = page.get_by_role("region", name="Documentation Explorer")
    await documentation.get_by_role("link", name="Query", exact=True).click()
    await documentation.get_by_role("link", name="Game", exact=True).click()
    await expect(documentation).to_contain_text("One bingo game.")
    await expect(documentation).to_contain_text("The upstream's own id.")


async def test_no_header_is_kept_by_the_browser(browser: Browser, visit: Visit, origin: str) -> None:
    page = visit.page
    await page.goto(f"{origin}/explorer")

    await page.get_by_role("tab", name="Headers").click()
    await page.get_by_label("Headers").locator(".monaco-editor:visible").click()
    await page.keyboard.insert_text('{"X-Api-Key": "do-not-keep-me"}')
    await page.get_by_role("button", name="Execute query").click()
    await expect(page.get_by_label("Result Window")).to_contain_text("89")
    await page.get_by_role("button", name="Show History").click()
    await expect(page.get_by_role("region", name="History")).to_contain_text("BallsOfGame")
    await page.wait_for_function("() => localStorage['graphiql:queries']?.includes('BallsOfGame')")
    assert "do-not-keep-me" not in await page.evaluate("() => JSON.stringify(localStorage)")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        yield client


async def test_the_page_is_asked_for_anew_and_answered_in_short(client: httpx.AsyncClient) -> None:
    page = await client.get("/explorer")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    assert "script-src 'self';" in page.headers["content-security-policy"]
    again = await client.get("/explorer", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_the_page_holds_no_inline_script_nor_style(client: httpx.AsyncClient) -> None:
    html = (await client.get("/explorer")).text
    assert re.findall(r"<script(?![^>]* src=)[^>]*>|<style| style=| on\w+=", html) == []
    files = re.findall(r'<(?:script|link)\b[^>]* (?:src|href)="([^"]*)"', html)
    assert len(files) > 2
    assert all(url.startswith("/explorer/assets/") for url in files)


@pytest.mark.parametrize("name", sorted(path.name for path in (PAGE / "assets").iterdir()))
async def test_a_file_is_served_once_and_for_all(client: httpx.AsyncClient, name: str) -> None:
    path = PAGE / "assets" / name
    for encoding in ("gzip", "identity"):
        answer = await client.get(f"/explorer/assets/{name}", headers={"Accept-Encoding": encoding})
        assert answer.content == path.read_bytes()
        assert answer.headers["content-type"].split(";")[0] == MEDIA_TYPES[path.suffix][0]
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_a_script_travels_compressed(client: httpx.AsyncClient) -> None:
    script = max((PAGE / "assets").glob("*.js"), key=lambda path: path.stat().st_size)
    async with client.stream("GET", f"/explorer/assets/{script.name}", headers={"Accept-Encoding": "gzip"}) as answer:
        sent = b"".join([part async for part in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert len(sent) < script.stat().st_size / 3
    assert gzip.decompress(sent) == script.read_bytes()


@pytest.mark.parametrize("name", ["nothing.js", "..%2findex.html", "%2e%2e/%2e%2e/explorer.py", ""])
async def test_no_other_file_is_served(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/explorer/assets/{name}")).status_code == 404


async def test_the_saved_queries_are_read_when_asked_for(client: httpx.AsyncClient) -> None:
    answer = await client.get("/explorer/queries.json")
    assert answer.json() == SAVED
    assert answer.headers["cache-control"] == "no-cache"
