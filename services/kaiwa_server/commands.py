"""The commands of the services: each starts its process, or says which package it wants."""

import importlib
import sys


def gateway() -> None:
    """Runs `kaiwa-gateway`."""
    _run("gateway", "gateway")


def codec() -> None:
    """Runs `kaiwa-codec`."""
    _run("codec", "codec")


def lm() -> None:
    """Runs `kaiwa-lm`."""
    _run("lm", "lm")


def stack() -> None:
    """Runs `kaiwa-serve`."""
    _run("stack", "all")


def _run(process: str, extra: str) -> None:
    # By name, so that this file ties no service to another and loads nothing but what is asked for.
    try:
        main = importlib.import_module(f"kaiwa_server.{process}.__main__").main
    except ModuleNotFoundError as error:
        sys.exit(f"this command needs {error.name}: pip install 'kaiwa[{extra}]'")
    main()
