"""The dialect of SQLAlchemy with which Superset reads Flight SQL: flightsql-dbapi. Its figures are those of `/sql`.

`examples/superset` runs a whole Superset.
"""

from collections.abc import Iterator
from decimal import Decimal

import httpx
import pytest
import sqlalchemy as sa

from tests.served import served
from tests.server.sql.test_flight import TOTAL, free_port
from tests.server.tables.conftest import settings
from tests.stand import Sandbox


@pytest.fixture(scope="module")
def servers(world: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of the graph, and the one of its database."""
    port = free_port()
    with served(tmp_path_factory.mktemp("served"), SQL_FLIGHT_PORT=str(port), **settings(world)) as address:
        yield address, f"datafusion://127.0.0.1:{port}?insecure=true"


def test_the_catalogue_and_the_figures(servers: tuple[str, str]) -> None:
    address, database = servers
    engine = sa.create_engine(database)
    found = sa.inspect(engine)
    assert found.get_schema_names() == ["main", "saved"]
    assert "transactions" in found.get_table_names("main")
    assert "GroupTransactions" in found.get_table_names("saved")
    kinds = {column["name"]: column["type"] for column in found.get_columns("transactions", "main")}
    assert isinstance(kinds["amount"], sa.types.DECIMAL)
    assert isinstance(kinds["timestamp"], sa.types.TIMESTAMP)

    table = sa.Table("transactions", sa.MetaData(), schema="main", autoload_with=engine)
    query = sa.select(sa.func.count(), sa.func.sum(table.c.amount)).where(
        table.c.group_id == "382", table.c.timestamp >= "2026-03-12", table.c.timestamp < "2026-03-15"
    )
    with engine.connect() as connection:
        ((count, net),) = connection.execute(query).fetchall()
    answer = httpx.get(f"{address}/sql", params={"q": TOTAL}, trust_env=False, timeout=120).json()
    assert [[count, Decimal(net)]] == [[n, Decimal(text)] for n, text in answer["rows"]]
    assert count > 3000

    # Names with capital letters are quoted.
    saved = sa.Table("UserCards", sa.MetaData(), schema="saved", autoload_with=engine)
    assert '"' in str(sa.select(saved).compile(engine))
