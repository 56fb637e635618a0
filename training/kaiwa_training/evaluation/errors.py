"""What stops an evaluation."""


class EvaluationError(Exception):
    """Something that is needed is missing or wrong; the text says what to do."""
