from hypothesis import given
from hypothesis import strategies as st

from sandbox.people import FIRST_LOCAL, group_sizes, people


def test_group_382_has_50_of_the_60_users_of_a_default_world() -> None:
    groups, users = people(60, 7)
    assert [(group.id, group.type) for group in groups] == [
        (347, "Manager"),
        *((id, "Distributor") for id in (348, 349)),
        *((id, "Local") for id in range(382, 387)),
    ]
    assert group_sizes(60) == [50, 4, 3, 2, 1]
    assert [user.id for user in users if user.group == 382] == list(range(2001, 2051))


@given(st.integers(1, 5000), st.integers(0, 1000))
def test_every_user_has_a_group_and_a_name_of_their_own(count: int, seed: int) -> None:
    groups, users = people(count, seed)
    sizes = group_sizes(count)
    assert sum(sizes) == count
    assert max(sizes) == sizes[0]
    assert min(sizes) > 0
    assert len({user.username for user in users}) == count
    locals_ = {group.id for group in groups if group.type == "Local"}
    assert {user.group for user in users} == locals_
    parents = {group.id: group.parent for group in groups}
    assert all(parents[group.parent] if group.type == "Local" else True for group in groups)
    assert FIRST_LOCAL in locals_
    assert len({group.id for group in groups}) == len(groups)


def test_one_user_in_twenty_also_plays_elsewhere() -> None:
    roaming = [user for user in people(2000, 7)[1] if user.guest]
    assert len(roaming) == 100
    assert all(user.guest != user.group for user in roaming)
