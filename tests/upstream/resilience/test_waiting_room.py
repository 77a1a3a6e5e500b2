"""The waiting room: full for one who fills it, and not for the others."""

from upstream.resilience.waiting_room import WaitingRoom


def test_one_who_fills_it_does_not_keep_the_others_out() -> None:
    room = WaitingRoom(20)
    while not room.full("heavy"):
        room.enter("heavy")
    assert len(room) == 20
    for _ in range(2):
        assert not room.full("light")
        room.enter("light")
    assert room.full("light")
    room.leave("light")
    assert not room.full("light")
    for number in range(19):
        assert not room.full(f"other {number}")
        room.enter(f"other {number}")
    assert len(room) == 40
    assert room.full("one more")
    for _ in range(20):
        room.leave("heavy")
    assert not room.full("heavy")


def test_a_small_one_has_a_place_for_each() -> None:
    room = WaitingRoom(1)
    room.enter("heavy")
    assert room.full("heavy")
    assert not room.full("light")
    assert WaitingRoom(0).full("anybody")
