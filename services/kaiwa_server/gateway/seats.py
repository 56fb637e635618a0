"""How many conversations a gateway carries."""

from collections.abc import Iterator
from contextlib import contextmanager

from kaiwa_server.errors import ServiceFull


class Seats:
    """A number of seats; a conversation holds one from its admission to its end."""

    def __init__(self, seats: int) -> None:
        self.seats = seats
        self.taken = 0

    @contextmanager
    def seat(self) -> Iterator[None]:
        """Holds a seat for as long as the `with` block lasts.

        Raises:
            ServiceFull: every seat is taken.
        """
        if self.taken >= self.seats:
            raise ServiceFull(
                f"all {self.seats} conversations of this gateway are taken: try again later, or at "
                "another replica"
            )
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1
