"""What stands in a command's way on this machine."""


class CannotDo(Exception):
    """A file, a device or a package is missing or wrong; the text says what to do."""
