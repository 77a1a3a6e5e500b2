"""Read a group with gql, which checks the query against the server's schema before it sends it."""

import json
import os

from gql import Client, gql
from gql.transport.httpx import HTTPXTransport

ADDRESS = os.environ.get("GRAPH_URL", "http://127.0.0.1:8000/graphql")
QUERY = gql("""
    query Group($id: ID!, $during: Period!) {
      group(id: $id) {
        name
        users(first: 4) { nodes { username } }
        transactions(during: $during, first: 1) { totals { sums { currency net } } }
      }
    }
""")


def main() -> None:
    """Print the group's name, its first users and what it took yesterday."""
    # A report may take some seconds on the first read of a day.
    transport = HTTPXTransport(url=ADDRESS, timeout=60)
    with Client(transport=transport, fetch_schema_from_transport=True) as session:
        QUERY.variable_values = {"id": "382", "during": {"frame": "YESTERDAY"}}
        group = session.execute(QUERY)["group"]
    net = group["transactions"]["totals"]["sums"][0]["net"]
    print(
        json.dumps({"name": group["name"], "users": [user["username"] for user in group["users"]["nodes"]], "net": net})
    )


main()
