"""Read a group with a typed client that ariadne-codegen generated from group.graphql."""

import asyncio
import json
import os
from decimal import Decimal

from graph_client import Client, Period, TimeFrame

ADDRESS = os.environ.get("GRAPH_URL", "http://127.0.0.1:8000/graphql")


async def main() -> None:
    """Print the group's name, its first users and what it took yesterday."""
    async with Client(url=ADDRESS) as client:
        answer = await client.group(id="382", during=Period(frame=TimeFrame.YESTERDAY))
    group = answer.group
    assert group is not None
    assert group.users is not None
    assert group.transactions is not None
    assert group.transactions.totals is not None
    net: Decimal = group.transactions.totals.sums[0].net
    print(json.dumps({"name": group.name, "users": [user.username for user in group.users.nodes], "net": str(net)}))


asyncio.run(main())
