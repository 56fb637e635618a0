"""The command's entry: `kaiwa`, or `python -m kaiwa`."""

import sys


def main() -> None:
    """Runs the command, or says what to install where only the client library is."""
    try:
        from kaiwa.cli.app import app
    except ModuleNotFoundError as error:
        sys.exit(f"the kaiwa command needs {error.name}: pip install 'kaiwa[client]'")
    app()


if __name__ == "__main__":
    main()
