from upstream.resilience.budget import Budget


def test_a_full_bucket_is_soon_empty() -> None:
    budget = Budget()
    assert [budget.spend() for _ in range(12)] == [True] * 10 + [False] * 2
    assert (budget.spent, budget.refused) == (10, 2)


def test_ten_calls_earn_one_request() -> None:
    budget = Budget(tokens=0)
    for _ in range(10):
        assert not budget.spend()
        budget.earn()
    assert budget.spend()
    assert not budget.spend()


def test_a_long_peace_saves_up_no_more_than_the_bucket_holds() -> None:
    budget = Budget()
    for _ in range(10_000):
        budget.earn()
    assert sum(budget.spend() for _ in range(100)) == 10


def test_under_total_failure_a_hundred_calls_are_at_most_a_hundred_and_twenty() -> None:
    budget = Budget()
    requests = 0
    for _ in range(100):
        budget.earn()
        requests += 1 + (budget.spend() and 1) + (budget.spend() and 1)
    assert requests <= 120
