import signal
from collections.abc import Iterator

import pytest
from stack_process import Stack, running_stack
from triton_tests import interpret_on_cpu


def pytest_configure() -> None:
    """Settles what has to be so before any test is collected."""
    # What the tests start is to hear Ctrl-C, which the background job of a shell ignores.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    interpret_on_cpu()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The three services with the embedded model, as `kaiwa-serve` starts them."""
    with running_stack(tmp_path_factory.mktemp("stack") / "stack.log", "--slots", "4") as stack:
        yield stack
