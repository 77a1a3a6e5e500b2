"""A test that is `alone` shares its time with no test of another worker, and none waits for ever."""

import random
import threading
import time
from pathlib import Path

from tests.alone import Turns


def test_a_turn_alone_overlaps_no_other_turn(tmp_path: Path) -> None:
    """Three workers take turns; one turn in three is alone. Turns that follow each other alone are not interrupted."""
    running: list[bool] = []
    shared: list[int] = []
    order: list[int] = []
    interrupted: list[bool] = []
    faults: list[list[bool]] = []

    def work(seed: int) -> None:
        turns, chance = Turns(tmp_path), random.Random(seed)
        plan = [chance.random() < 0.3 for _ in range(60)]
        for before, alone, after in zip([False, *plan], plan, [*plan[1:], False], strict=False):
            with turns.turn(alone=alone, next_alone=after):
                if before and alone:
                    interrupted.append(order[-1] != seed)
                order.append(seed)
                running.append(alone)
                time.sleep(chance.random() / 500)
                now = list(running)
                if any(now) and len(now) > 1:
                    faults.append(now)
                shared.append(len(now))
                running.remove(alone)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert faults == []
    assert len(shared) == 180
    assert max(shared) > 1, "turns that may overlap do"
    assert len(interrupted) > 5
    assert not any(interrupted)
