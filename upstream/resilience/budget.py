"""Limit the retries of a system to a small part of its calls, also if everything fails."""

from dataclasses import dataclass


@dataclass(slots=True)
class Budget:
    """Hold a bucket of tokens. Each call brings a tenth of a token; each further request for it takes one.

    A full bucket has `most` tokens, so that few failures among many calls are all retried. If everything fails, a
    hundred calls make at most twenty further requests.
    """

    share: float = 0.1
    most: float = 10.0
    tokens: float = 10.0
    spent: int = 0
    refused: int = 0

    def earn(self) -> None:
        """Note that a call is made for the first time."""
        self.tokens = min(self.tokens + self.share, self.most)

    def spend(self) -> bool:
        """Take a token for a further request. Return whether there was one."""
        # Ten times a tenth is a little less than one in binary.
        if self.tokens < 1 - 1e-9:
            self.refused += 1
            return False
        self.tokens -= 1
        self.spent += 1
        return True
