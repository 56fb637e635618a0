"""The command's entry: `kaiwa`, or `python -m kaiwa`."""

import os
import sys


def main() -> None:
    """Runs the command, or says what to install where only the client library is."""
    # grpc's own notes would stand among the words; what matters comes as an error.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        from kaiwa.cli.app import app
    except ModuleNotFoundError as error:
        sys.exit(f"the kaiwa command needs {error.name}: pip install 'kaiwa[client]'")
    app()


if __name__ == "__main__":
    main()
