"""The retry budget of a system: what is asked twice is a small part of what is asked, also when everything fails."""

from dataclasses import dataclass


@dataclass(slots=True)
class Budget:
    """A bucket of tokens. Each call brings a tenth of one, and each further request for the same call takes one.

    A full bucket holds `most`, so that few failures among many calls are all tried again, while under total failure
    a hundred calls make at most twenty further requests.
    """

    share: float = 0.1
    most: float = 10.0
    tokens: float = 10.0
    spent: int = 0
    refused: int = 0

    def earn(self) -> None:
        """A call is made for the first time."""
        self.tokens = min(self.tokens + self.share, self.most)

    def spend(self) -> bool:
        """Whether one more request may be made for a call that was made before."""
        # Tenths add up to a little less than one.
        if self.tokens < 1 - 1e-9:
            self.refused += 1
            return False
        self.tokens -= 1
        self.spent += 1
        return True
