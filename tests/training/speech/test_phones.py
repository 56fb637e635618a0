"""Every engine's phones have a place in one inventory."""

import pytest
from kaiwa_training.speech.phones import (
    PHONES,
    SILENCE,
    UNKNOWN,
    espeak_phones,
    halves,
    radio_phones,
)


def names(phones: tuple[int, ...]) -> list[str]:
    return [PHONES[phone] for phone in phones]


def test_silence_is_the_first_phone_and_unknown_is_none() -> None:
    assert PHONES[SILENCE] == "pau"
    assert len(set(PHONES)) == len(PHONES) == 41
    assert len(PHONES) <= UNKNOWN


def test_a_phone_of_the_inventory_is_itself() -> None:
    assert all(radio_phones(name) == (phone,) for phone, name in enumerate(PHONES))


def test_engines_agree_on_a_word() -> None:
    from_espeak = [name for part in ("h", "@", "l", "oU") for name in names(espeak_phones(part))]
    from_festival = [name for part in ("hh", "ax", "l", "ow") for name in names(radio_phones(part))]
    assert from_espeak == from_festival


def test_one_mnemonic_may_be_two_phones() -> None:
    assert names(espeak_phones("A@")) == ["aa", "r"]


@pytest.mark.parametrize("phones_of", [espeak_phones, radio_phones])
def test_an_unknown_name_is_an_error(phones_of: object) -> None:
    assert callable(phones_of)
    with pytest.raises(KeyError):
        phones_of("nonsense")


def test_two_phones_share_the_time() -> None:
    assert halves((3, 4), 1.0, 2.0) == [(3, 1.0, 1.5), (4, 1.5, 2.0)]
