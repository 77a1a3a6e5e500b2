"""`$apply`: what it answers beside what Python adds up, what is refused, and the requests that clients send."""

import decimal
import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import orjson
import pytest
import strawberry
from strawberry import ID
from strawberry.schema.config import StrawberryConfig

from schema.graph import ROWS
from schema.scalars import SCALARS
from schema.scalars import Decimal as Amount
from server.odata.edm import METHODS
from server.tables.config import TablesConfig
from server.tables.totals import FUNCTIONS
from tests.server.application import application
from tests.server.serving import code_of, serving
from tests.server.tables.conftest import NOW, Library, saved

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
CURRENCIES = {"a": "EUR", "b": "EUR", "c": "USD"}


@strawberry.type
class Payment:
    id: ID
    shop: str
    kind: str | None
    amount: Amount | None
    pieces: int | None
    currency: str | None


@strawberry.type
class Query:
    @strawberry.field
    def payments(self, shops: list[str] | None = None) -> list[Payment]:
        return [one for one in PAYMENTS if shops is None or one.shop in shops]


def payments(count: int = 500) -> list[Payment]:
    chance = random.Random(1)
    return [
        Payment(
            id=ID(str(number)),
            shop=(shop := chance.choice("abc")),
            kind=chance.choice((None, "card", "cash")),
            amount=None
            if chance.random() < 0.1
            else Amount(f"{chance.randrange(-(10**15), 10**15)}.{chance.randrange(100):02}"),
            pieces=None if chance.random() < 0.1 else chance.randrange(9),
            currency=CURRENCIES[shop],
        )
        for number in range(count)
    ]


PAYMENTS = payments()
SCHEMA = strawberry.Schema(Query, config=StrawberryConfig(scalar_map={Amount: SCALARS[Amount]}))
SCHEMA._schema.directives = (*SCHEMA._schema.directives, ROWS)
QUERIES = [
    saved(
        "# All payments.\nquery Payments($shops: [String!]) "
        "{ payments(shops: $shops) @rows { id shop kind amount pieces currency } }"
    ),
    saved("# Payments without their currency.\nquery Bare { payments @rows { id amount pieces } }"),
]


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    config = TablesConfig(now=lambda: NOW, spool_dir=tmp_path_factory.mktemp("spool"))
    app = application(SCHEMA, lambda operation: [], saved=QUERIES, tables=config)
    with serving(app) as address, httpx.Client(base_url=f"{address}/odata", trust_env=False, timeout=30) as client:
        yield client


def applied(client: httpx.Client, apply: str, path: str = "/Payments", **options: str) -> list[dict[str, Any]]:
    """The rows, with decimals by their text and without their types."""
    params = {**httpx.URL(path).params, "$apply": apply, **{f"${name}": text for name, text in options.items()}}
    headers = {"accept": "application/json;IEEE754Compatible=true"}
    answer = client.get(path, params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    rows = orjson.loads(answer.content)["value"]
    return [{name: one for name, one in row.items() if "@" not in name} for row in rows]


def refusal(client: httpx.Client, apply: str, path: str = "/Payments", **options: str) -> str:
    """The message of a refusal."""
    params = {"$apply": apply, **{f"${name}": text for name, text in options.items()}}
    answer = client.get(path, params=params)
    assert (answer.status_code, code_of(answer)) == (400, "BAD_USER_INPUT"), answer.text
    message: str = answer.json()["error"]["message"]
    return message


def total(rows: list[Payment]) -> str | None:
    """The exact sum, as the graph writes amounts."""
    found = [Decimal(one.amount) for one in rows if one.amount is not None]
    with decimal.localcontext(prec=60):
        return f"{sum(found, Decimal()):.2f}" if found else None


def test_groups_are_what_python_adds_up(shops: httpx.Client) -> None:
    rows = applied(
        shops,
        "groupby((shop,kind,currency),aggregate(amount with sum as total,pieces with min as least,pieces with max as "
        "most,kind with countdistinct as kinds,$count as n))",
    )
    assert len(rows) == 9
    for row in rows:
        group = [one for one in PAYMENTS if (one.shop, one.kind) == (row["shop"], row["kind"])]
        pieces = [one.pieces for one in group if one.pieces is not None]
        assert row == {
            "shop": group[0].shop, "kind": group[0].kind, "currency": CURRENCIES[group[0].shop],
            "total": total(group), "least": str(min(pieces)), "most": str(max(pieces)),
            "kinds": "0" if row["kind"] is None else "1", "n": str(len(group)),
        }  # fmt: skip


def test_the_only_currency_of_the_rows_is_said(shops: httpx.Client) -> None:
    euros = [one for one in PAYMENTS if one.currency == "EUR"]
    assert applied(shops, "filter(currency eq 'EUR')/aggregate(amount with sum as total)") == [
        {"currency": "EUR", "total": total(euros)}
    ]
    assert applied(shops, "groupby((shop),aggregate(amount with sum as total))", "/Payments?shops=c") == [
        {"shop": "c", "currency": "USD", "total": total([one for one in PAYMENTS if one.shop == "c"])}
    ]
    assert applied(shops, "filter(shop eq 'z')/aggregate(amount with sum as total,$count as n)") == [
        {"currency": None, "total": None, "n": "0"}
    ]
    assert applied(shops, "filter(shop eq 'z')/groupby((shop),aggregate(amount with sum as total))") == []
    # A number that is no amount needs no currency.
    assert applied(shops, "aggregate(pieces with max as most,$count as n)") == [{"most": "8", "n": "500"}]


@pytest.mark.parametrize("method", ["sum", "min", "max"])
def test_currencies_are_never_mixed(shops: httpx.Client, method: str) -> None:
    assert refusal(shops, f"groupby((shop),aggregate(amount with {method} as x))") == (
        "$apply adds up or compares amounts of several currencies (EUR, USD), which have no common total: group by "
        "currency, too: groupby((shop,currency),aggregate(…))."
    )
    grouped = f"groupby((shop,currency),aggregate(amount with {method} as x))"
    assert "several currencies" in refusal(shops, f"{grouped}/aggregate(x with sum as y)")
    assert len(applied(shops, f"{grouped}/groupby((currency),aggregate(x with sum as y))")) == 2
    assert "add currency to its query" in refusal(shops, f"aggregate(amount with {method} as x)", "/Bare")


def test_options_are_about_the_groups(shops: httpx.Client) -> None:
    apply = "groupby((shop,currency),aggregate(amount with sum as total,$count as n))"
    rows = applied(shops, apply)
    numbers = {row["shop"]: Decimal(row["total"]) for row in rows}
    best = sorted(numbers, key=lambda shop: -numbers[shop])
    assert [row["shop"] for row in applied(shops, apply, orderby="total desc")] == best
    assert [row["shop"] for row in applied(shops, apply, orderby="total desc", skip="1", top="1")] == best[1:2]
    assert applied(shops, apply, select="n,shop", top="1") == [{"shop": "a", "n": rows[0]["n"]}]
    assert [row["shop"] for row in applied(shops, apply, filter=f"total ge {numbers[best[1]]}")] == sorted(best[:2])
    assert shops.get("/Payments/$count", params={"$apply": apply, "$filter": "shop ne 'a'"}).text == "2"
    answer = shops.get("/Payments", params={"$apply": apply, "$count": "true", "$top": "1", "$select": "shop"})
    assert answer.json() == {
        "@odata.context": f"{shops.base_url}$metadata#Payments(shop)",
        "@odata.count": 3,
        "value": [{"shop": "a"}],
    }
    assert "$filter names 'amount'; there are shop, currency, total, n." in refusal(shops, apply, filter="amount eq 1")
    assert "$orderby names 'id'; it can be shop" in refusal(shops, apply, orderby="id")
    assert "$select names 'kind'; there are shop" in refusal(shops, apply, select="kind")


@pytest.mark.parametrize("size", [1, 4, 100])
@pytest.mark.parametrize("options", [{}, {"orderby": "pieces desc,id"}, {"skip": "3", "top": "40"}, {"top": "0"}])
def test_pages_bring_every_group_once(shops: httpx.Client, size: int, options: dict[str, str]) -> None:
    apply = "filter(pieces ge 7)/groupby((id,pieces))"
    whole = applied(shops, apply, **options)
    params = {"$apply": apply, **{f"${name}": text for name, text in options.items()}}
    found: list[Any] = []
    answer = shops.get("/Payments", params=params, headers={"prefer": f"odata.maxpagesize={size}"})
    while True:
        assert len(answer.json()["value"]) <= size
        found += [{"id": row["id"], "pieces": str(row["pieces"])} for row in answer.json()["value"]]
        if "@odata.nextLink" not in answer.json():
            break
        answer = shops.get(answer.json()["@odata.nextLink"], headers={"prefer": f"odata.maxpagesize={size}"})
        assert answer.status_code == 200, answer.text
    assert found == whole


def test_filters_alone_are_filters_of_the_rows(shops: httpx.Client) -> None:
    apply = "filter(shop eq 'a')/filter(pieces gt 3)"
    direct = shops.get("/Payments", params={"$filter": "shop eq 'a' and pieces gt 3"}).json()
    assert shops.get("/Payments", params={"$apply": apply}).json() == direct
    both = shops.get("/Payments", params={"$apply": "filter(shop eq 'a')", "$filter": "pieces gt 3"}).json()
    assert both == direct


def test_a_filter_of_rows_bounds_the_window(shelved: Library) -> None:
    for apply in ("aggregate($count as n)", "filter(rowKey ge '2026-03-05')/aggregate($count as n)"):
        window = {} if "filter" in apply else {"since": "2026-03-05", "until": "2026-03-07"}
        answer = shelved.client.get("/odata/Loans", params={"$apply": apply, **window})
        assert answer.status_code == 200, answer.text
    above = {"$apply": "filter(rowKey lt '2026-03-05')/aggregate($count as n)"}
    message = shelved.client.get("/odata/Loans", params=above).json()["error"]["message"]
    assert message.startswith("$apply bounds ")
    read = sorted({str(one.dates.from_) for one in shelved.periods if one.dates is not None})
    assert read[:2] == ["2026-03-05", "2026-03-06"]
    assert read[-1] == "2026-03-15"


@pytest.mark.parametrize(
    ("apply", "says"),
    [
        ("", "$apply is empty."),
        ("groupby((size))", "has no column 'size'"),
        ("groupby((customer/name))", "$apply has a path 'customer/name'; a column is named without a path."),
        ("groupby((shop),aggregate(pieces with average as x))", "average, which is not exact: take sum and $count"),
        ("aggregate(pieces)", "$apply does not say how pieces is aggregated; write pieces with sum or min or max or"),
        ("aggregate(pieces with median as x)", "$apply has no method 'median'; write pieces with sum or"),
        ("aggregate(pieces with sum)", "gives pieces with sum no name"),
        ("aggregate(kind with sum as x)", "There is no sum of the column kind (String)"),
        ("groupby((shop),aggregate($count as shop))", "Two columns of the totals are called shop."),
        ("compute(pieces add 1 as x)", "$apply cannot be read from 'compute(pieces add 1 as x)' on; there are filter,"),
        ("search(blue)", "cannot be read from 'search(blue)' on; there are filter, groupby,"),
        ("groupby((rollup($all,shop)))", "$apply cannot be read from"),
        ("top(3)", "must group the rows, by groupby or aggregate, before concat, orderby, skip and top."),
        ("groupby((shop))/filter(pieces gt 1)", "$apply names 'pieces'; there are shop."),
        ("filter(size gt 1)", "$apply names 'size'; there are "),
        ("filter(pieces gt 'x')/groupby((shop))", "$apply compares a number with a string."),
        ("groupby((shop))/orderby(pieces)", "$orderby names 'pieces'; it can be shop."),
        ("groupby((shop", "$apply ends too early"),
        ("filter(pieces gt 1)/", "$apply ends too early"),
        ("/".join(["groupby((shop))"] * 21), "$apply has more than 20 transformations"),
        (f"concat({','.join(['groupby((shop))'] * 5)})", "$apply has more than 4 totals of the same rows"),
        ("filter(" * 101, "$apply is deeper than 100 levels."),
        ("filter(" + "not " * 300 + "shop", "$apply has more than 250 operators"),
        ("filter(shop eq '" + "x" * 8000 + "')", "$apply has 8,018 characters; 8,000 are allowed."),
        ("filter(a=1)", "$apply has the sign =; values are compared with eq."),
    ],
)
def test_what_is_said_of_a_wrong_transformation(shops: httpx.Client, apply: str, says: str) -> None:
    assert says in refusal(shops, apply)


def test_the_option_with_the_wrong_filter_is_named(shops: httpx.Client) -> None:
    assert "$apply names 'size'" in refusal(shops, "filter(size gt 1)", filter="pieces gt 1")
    assert "$filter names 'size'" in refusal(shops, "filter(pieces gt 1)", filter="size gt 1")


def test_search_is_refused_by_name(shops: httpx.Client) -> None:
    answer = shops.get("/Payments", params={"$search": "blue"})
    assert answer.status_code == 400
    assert "There is no query option '$search' here" in answer.json()["error"]["message"]


def test_one_entity_has_nothing_to_transform(shops: httpx.Client) -> None:
    assert "an entity set" in refusal(shops, "aggregate($count as n)", "/Payments('all.0000000')")


# The sums of UI5's ODataListBinding with $$aggregation, of its tests of _AggregationHelper, with the names of this
# table; of Power BI and Excel, whose reports send `groupby` with `aggregate` (Azure DevOps documents them); and of
# DevExtreme and odata-fluent-query.
TRACES = {
    "ui5 groups": ("groupby((shop))", 3),
    "ui5 two groups": ("groupby((kind,shop))", 9),
    "ui5 a level": ("filter(currency eq 'EUR')/groupby((shop),aggregate(pieces with sum as pieces))", 2),
    "ui5 with a filter and an order": (
        "filter(currency ne 'EUR' and shop ne 'b')/groupby((shop,kind),aggregate(pieces with sum as PiecesSum))"
        "/filter(PiecesSum ge 100)/orderby(kind desc)/concat(aggregate(PiecesSum with min as UI5min__PiecesSum,"
        "PiecesSum with max as UI5max__PiecesSum,$count as UI5__count),identity)", 4,
    ),
    "ui5 a grand total": (
        "concat(aggregate(pieces with sum as PiecesSum),groupby((shop),aggregate(pieces with sum as PiecesSum)))", 4,
    ),
    "ui5 a grand total and a page": (
        "concat(aggregate(pieces with sum as PiecesSum),groupby((shop),aggregate(pieces with sum as PiecesSum))"
        "/filter(PiecesSum ge 100)/orderby(shop desc)/concat(aggregate($count as UI5__count),skip(1)/top(99)))", 4,
    ),
    "ui5 the page after it": (
        "groupby((shop),aggregate(pieces with sum as PiecesSum))/filter(PiecesSum ge 100)/orderby(shop desc)"
        "/skip(1)/top(99)", 2,
    ),
    "power bi": ("filter(kind eq 'card' and pieces ge 1)/groupby((shop, currency), aggregate($count as Count))", 3),
    "power bi over several lines": ("filter(kind eq 'card')/\n  groupby(\n(shop),\naggregate($count as Count)\n)", 3),
    "power bi all rows": ("aggregate($count as Count)", 1),
    "fluent": ("groupby((shop, kind), aggregate(id with countdistinct as all, pieces with max as test))", 9),
}  # fmt: skip


@pytest.mark.parametrize("name", TRACES)
def test_what_clients_send(shops: httpx.Client, name: str) -> None:
    apply, rows = TRACES[name]
    assert len(applied(shops, apply)) == rows


def test_the_rows_of_a_grand_total(shops: httpx.Client) -> None:
    """Each part of `concat` has its own properties, as UI5 expects them."""
    pieces = {shop: sum(one.pieces or 0 for one in PAYMENTS if one.shop == shop) for shop in "abc"}
    assert applied(shops, TRACES["ui5 a grand total and a page"][0]) == [
        {"PiecesSum": str(sum(pieces.values()))},
        {"UI5__count": "3"},
        {"shop": "b", "PiecesSum": str(pieces["b"])},
        {"shop": "a", "PiecesSum": str(pieces["a"])},
    ]
    joined = applied(shops, "concat(aggregate($count as n),groupby((shop)))", filter="shop ne null or n gt 1", top="2")
    assert joined == [{"n": "500", "shop": None}, {"n": None, "shop": "a"}]


def test_the_types_of_new_properties_are_said(shops: httpx.Client) -> None:
    params = {"$apply": "groupby((currency),aggregate(amount with sum as total,shop with min as first,$count as n))"}
    row = shops.get("/Payments", params=params).json()["value"][0]
    assert {name: one for name, one in row.items() if "@" in name} == {
        "total@odata.type": "#Decimal",
        "n@odata.type": "#Int64",
    }
    same = {"$apply": "groupby((currency),aggregate(amount with sum as amount,pieces with countdistinct as id))"}
    row = shops.get("/Payments", params=same).json()["value"][0]
    assert [name for name in row if "@" in name] == ["id@odata.type"]  # the other has the type of the property
    bare = shops.get("/Payments", params=params, headers={"accept": "application/json;odata.metadata=none"})
    assert "@" not in bare.text


def test_metadata_says_what_can_be_applied(shops: httpx.Client) -> None:
    tree = ElementTree.fromstring(shops.get("/$metadata").text)
    payments = next(one for one in tree.iter(f"{EDM}EntitySet") if one.get("Name") == "Payments")
    record = next(
        one for one in payments if one.get("Term") == "Org.OData.Aggregation.V1.ApplySupported"
    )[0]  # fmt: skip
    said = {one.get("Property"): one for one in record}
    steps = [one.text for one in said["Transformations"][0]]
    assert steps == ["filter", "groupby", "aggregate", "concat", "identity", "orderby", "skip", "top"]
    names = ["id", "shop", "kind", "amount", "pieces", "currency"]
    assert [one.text for one in said["GroupableProperties"][0]] == names
    records = said["AggregatableProperties"][0]
    figures = {one[0].get("PropertyPath"): [each.text for each in one[1][0]] for one in records}
    assert figures["amount"] == ["sum", "min", "max", "countdistinct"]
    assert figures["kind"] == ["min", "max", "countdistinct"]
    for name, methods in figures.items():
        for method in FUNCTIONS:
            if method == "count":
                continue
            params = {"$apply": f"groupby((currency),aggregate({name} with {method} as x))"}
            status = shops.get("/Payments", params=params).status_code
            assert (status == 200) == (method in methods), (name, method)
    assert set(METHODS) == {"decimal", "int64", "float64", "timestamp", "date", "string", "bool", "enum"}


def test_sums_of_the_widest_amounts(tmp_path: Path) -> None:
    """A sum has more digits than a column: it is exact, and what cannot be compared is refused."""
    wide = [
        Payment(id=ID(str(n)), shop="a", kind=None, amount=Amount("9" * 28 + ".9"), pieces=2**31 - 1, currency="EUR")
        for n in range(11)
    ]
    PAYMENTS[:], kept = wide, list(PAYMENTS)
    try:
        app = application(
            SCHEMA, lambda operation: [], saved=QUERIES, tables=TablesConfig(now=lambda: NOW, spool_dir=tmp_path)
        )
        with serving(app) as address, httpx.Client(base_url=f"{address}/odata", trust_env=False, timeout=30) as client:
            apply = "groupby((currency),aggregate(amount with sum as total))"
            assert applied(client, apply)[0]["total"] == total(wide)
            for step in ("/aggregate(total with sum as more)", "/filter(total gt 1)"):
                assert client.get("/Payments", params={"$apply": apply + step}).status_code in (200, 400)
            assert client.get("/Payments", params={"$apply": apply, "$orderby": "total"}).status_code in (200, 400)
            assert client.get("/Payments", params={"$apply": apply, "$filter": "total gt 1"}).status_code in (200, 400)
    finally:
        PAYMENTS[:] = kept
