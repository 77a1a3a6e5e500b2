"""A test that is `alone` shares its time with no test of another worker, and none waits for ever."""

import random
import threading
import time
from pathlib import Path

from tests.alone import Turns


def test_a_turn_alone_overlaps_no_other_turn(tmp_path: Path) -> None:
    """Three workers take turns; one turn in five is alone."""
    running: list[bool] = []
    shared: list[int] = []
    faults: list[list[bool]] = []

    def work(seed: int) -> None:
        turns, chance = Turns(tmp_path), random.Random(seed)
        for _ in range(60):
            alone = chance.random() < 0.2
            with turns.turn(alone=alone):
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
