"""What a client asks of the model in names and texts: a query of a URL, parameters of a call."""

from collections.abc import Callable, Mapping

from kaiwa_server.errors import BadSettings, NotSupported

# The query's names, the contract's, and what they are. The protocol has a seed for the text and one
# for the voice, PersonaPlex one for both; here one seed draws everything, and the last named wins.
_SETTINGS: tuple[tuple[str, str, Callable[[str], float]], ...] = (
    ("text_temperature", "text_temperature", float),
    ("text_topk", "text_top_k", int),
    ("audio_temperature", "audio_temperature", float),
    ("audio_topk", "audio_top_k", int),
    ("audio_seed", "seed", int),
    ("text_seed", "seed", int),
    ("seed", "seed", int),
)
_NO_SEED = -1  # what PersonaPlex clients send when they want none
_PROMPTS = ("text_prompt", "voice_prompt")


def prompts_of(query: Mapping[str, str]) -> list[str]:
    """Gives the names of the prompts in a query, which no loaded model would follow."""
    return [name for name in _PROMPTS if query.get(name)]


def refuse_prompts(query: Mapping[str, str]) -> None:
    """Returns if a query has no prompt.

    Raises:
        NotSupported: it has one.
    """
    if prompts := prompts_of(query):
        raise NotSupported(f"{prompts[0]}: the loaded model follows no prompt; leave it out")


def settings_of(query: Mapping[str, str]) -> dict[str, float]:
    """Gives the session settings that a query names, by their names in the contract.

    Empty values and names that are not known are passed over.

    Raises:
        BadSettings: a value is not a number.
    """
    settings: dict[str, float] = {}
    for name, field, number in _SETTINGS:
        text = query.get(name)
        if not text:
            continue
        try:
            settings[field] = number(text)
        except ValueError:
            kind = "a whole number" if number is int else "a number"
            raise BadSettings(f"{name} is {text[:40]!r}: give {kind}") from None
    if settings.get("seed") == _NO_SEED:
        del settings["seed"]
    return settings
