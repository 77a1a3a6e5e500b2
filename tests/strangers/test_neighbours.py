"""Two fields lead to one entity at the same time: each gets the whole entity, whichever comes first."""

import pytest

from tests.strangers.client import Client


@pytest.mark.parametrize("compiled", [False, True])
async def test_nodes_and_edges_tell_the_same_of_one_user(client: Client, compiled: bool) -> None:
    """The report of movements does not have the user's group, so both lists need to look the user up."""
    logs = "gameLogs(first: 2) { nodes { user { group { id } } } edges { node { user { group { id name } } } } }"
    async with client:
        answer = await client.outcome(
            f'{{ financialMovements(groupId: "390") {{ nodes {{ user {{ id {logs} }} }} }} }}', compiled=compiled
        )
    assert answer.errors == []
    users = [each["user"] for each in answer.data["financialMovements"]["nodes"] if each["user"]]
    found = {user["id"]: user["gameLogs"] for user in users}
    assert found["60"]["nodes"] == [{"user": {"group": {"id": "382"}}}] * 2
    group = {"id": "382", "name": "E2E Development - Physical"}
    assert found["60"]["edges"] == [{"node": {"user": {"group": group}}}] * 2
