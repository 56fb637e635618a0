"""Logging to standard error, as text for people or as JSON for collectors."""

import logging
import sys

from pythonjsonlogger.json import JsonFormatter

_TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_JSON_FIELDS = "%(asctime)s %(levelname)s %(name)s %(message)s"


def configure_logs(level: str, log_format: str) -> None:
    """Sends every log message of `level` and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = JsonFormatter(_JSON_FIELDS) if log_format == "json" else logging.Formatter(_TEXT)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
