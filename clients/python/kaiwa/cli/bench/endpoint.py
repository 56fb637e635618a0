"""Where a service tells its metrics."""

import re
import time
import urllib.request
from dataclasses import dataclass

from kaiwa.cli.bench.samples import Sample, read_sample
from kaiwa.cli.errors import CannotDo

ANSWER_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address (host:port), and the name of the service if it was given."""

    address: str
    name: str | None = None

    def sample(self) -> Sample:
        """Asks the service; comes back when it has answered, so this is for a thread.

        Raises:
            CannotDo: there is no answer, or it is not Prometheus's.
        """
        url = f"http://{self.address}/metrics"
        try:
            with urllib.request.urlopen(url, timeout=ANSWER_WITHIN_S) as answer:
                return read_sample(answer.read().decode(), time.monotonic())
        except (OSError, ValueError) as error:
            raise CannotDo(
                f"no metrics at {url}: {error}\n"
                "--metrics takes what a service was given as --metrics-port"
            ) from error


def read_endpoint(text: str) -> Endpoint:
    """Reads NAME=HOST:PORT or HOST:PORT.

    Raises:
        ValueError: it is neither.
    """
    written = re.fullmatch(r"(?:([^=]+)=)?([^=]+:\d+)", text)
    if written is None:
        raise ValueError(f"{text!r} is not NAME=HOST:PORT, and not HOST:PORT either")
    return Endpoint(name=written[1], address=written[2])
