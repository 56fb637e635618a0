"""Sessions in the LM's slots, on a tiny model with random weights, sampling as sessions do."""

import random
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise

import pytest
from kaiwa_server.audio import CodeFrame
from kaiwa_server.journal import Sampling
from kaiwa_server.lm.settings import LmSettings
from kaiwa_server.lm.stepper import LmStepper, Resampled, StepInput, StepOutput
from models.tiny_lm import TINY, tiny_lm

SLOTS = 4


@dataclass(frozen=True)
class Session:
    """What a session is given: settings, and a frame for each step from its step 1 on.

    `changes` says before which steps it is drawn otherwise, and how.
    """

    settings: LmSettings
    frames: list[CodeFrame]
    changes: dict[int, Sampling] = field(default_factory=dict)

    @property
    def inputs(self) -> list[StepInput]:
        return [
            None,
            *(
                Resampled(frame, self.changes[step]) if step in self.changes else frame
                for step, frame in enumerate(self.frames, 1)
            ),
        ]


def random_settings(luck: random.Random) -> LmSettings:
    return LmSettings(
        text_temperature=luck.choice([0.0, 0.7, 1.3]),
        text_top_k=luck.choice([1, 25, 32_000]),
        audio_temperature=luck.choice([0.3, 0.8, 2.0]),
        audio_top_k=luck.choice([2, 250]),
        seed=luck.getrandbits(63),
    )


def random_session(luck: random.Random, frames: int) -> Session:
    """A session of so many frames, whose sampling changes before one in five."""
    settings = random_settings(luck)
    tokens = [
        tuple(luck.randrange(TINY.codebook_size) for _ in range(TINY.codebooks))
        for _ in range(frames)
    ]
    changes = {
        step: random_settings(luck).sampling for step in range(1, frames + 1) if luck.random() < 0.2
    }
    return Session(settings, [CodeFrame(i, frame) for i, frame in enumerate(tokens)], changes)


def alone(session: Session, stepper: LmStepper | None = None, slot: int = 0) -> list[StepOutput]:
    """All that a session gets when nobody else is there."""
    stepper = stepper or LmStepper(tiny_lm(), SLOTS)
    stepper.begin(slot, session.settings)
    return [stepper.step({slot: item})[slot] for item in session.inputs]


@pytest.fixture
def session() -> Session:
    return replace(random_session(random.Random(1), frames=30), changes={})


def test_a_session_among_others_says_what_it_says_alone() -> None:
    """24 sessions join, are late, leave and follow each other in 4 slots at random."""
    luck = random.Random(2)
    stepper = LmStepper(tiny_lm(), SLOTS)
    waiting = [random_session(luck, frames=luck.randrange(3, 30)) for _ in range(24)]
    everyone = list(waiting)
    here: dict[int, Session] = {}
    got: dict[int, list[StepOutput]] = {id(session): [] for session in everyone}
    crowds = set()
    while waiting or here:
        for slot in range(SLOTS):
            if slot not in here and waiting and luck.random() < 0.2:
                here[slot] = waiting.pop()
                stepper.begin(slot, here[slot].settings)
        # One session in five has no frame yet, and is not in the step.
        ready = [slot for slot in here if luck.random() < 0.8]
        luck.shuffle(ready)
        if not ready:
            continue
        crowds.add(len(ready))
        outputs = stepper.step({s: here[s].inputs[len(got[id(here[s])])] for s in ready})
        assert set(outputs) == set(ready)
        for slot in ready:
            got[id(here[slot])].append(outputs[slot])
            if len(got[id(here[slot])]) == len(here[slot].inputs):
                del here[slot]
    assert crowds == {1, 2, 3, 4}
    for session in everyone:
        assert got[id(session)] == alone(session)


def test_a_step_s_record_says_what_it_was_given_and_what_it_wrote(session: Session) -> None:
    outputs = alone(session)
    assert [output.record.step for output in outputs] == list(range(31))
    assert outputs[0].record.user_tokens == ()
    heard = [output.record.user_tokens for output in outputs[1:]]
    assert heard == [frame.tokens for frame in session.frames]
    for record in (output.record for output in outputs):
        assert 0 <= record.text_token < TINY.text_vocabulary_size
        assert len(record.moshi_tokens) == TINY.codebooks
        assert all(0 <= token < TINY.codebook_size for token in record.moshi_tokens)


def test_step_s_completes_frame_s_minus_1(session: Session) -> None:
    outputs = alone(session)
    assert outputs[0].frame is None
    for before, output in pairwise(outputs):
        semantic, *acoustic = before.record.moshi_tokens[:1] + output.record.moshi_tokens[1:]
        assert output.frame == CodeFrame(before.record.step, (semantic, *acoustic))


def test_a_frame_given_to_step_0_is_recorded_and_not_heard(session: Session) -> None:
    late = replace(session, frames=session.frames[1:])
    stepper = LmStepper(tiny_lm(), 1)
    stepper.begin(0, session.settings)
    dropped = [stepper.step({0: frame})[0] for frame in session.frames]
    assert dropped[0].record.user_tokens == session.frames[0].tokens
    written = [(o.record.text_token, o.record.moshi_tokens, o.frame) for o in dropped]
    assert written == [(o.record.text_token, o.record.moshi_tokens, o.frame) for o in alone(late)]


def written(outputs: list[StepOutput]) -> list[tuple[int, tuple[int, ...]]]:
    return [(output.record.text_token, output.record.moshi_tokens) for output in outputs]


def test_other_sampling_holds_from_its_step_on_and_is_in_its_record(session: Session) -> None:
    hot = replace(session.settings, text_temperature=5.0, audio_temperature=5.0).sampling
    as_it_was, changed = alone(session), alone(replace(session, changes={12: hot}))
    assert changed[:12] == as_it_was[:12]
    assert written(changed[12:]) != written(as_it_was[12:])
    assert [output.record.sampling for output in changed] == [None] * 12 + [hot] + [None] * 18


def test_sampling_that_is_other_from_step_0_on_is_as_if_begun_with(session: Session) -> None:
    other = random_settings(random.Random(4))
    begun_with = replace(session.settings, **asdict(other.sampling))
    stepper = LmStepper(tiny_lm(), 1)
    stepper.begin(0, session.settings)
    first, *rest = session.frames
    changed = [stepper.step({0: Resampled(first, other.sampling)})[0]]
    changed += [stepper.step({0: frame})[0] for frame in rest]
    stepper.begin(0, begun_with)
    assert written(changed) == written([stepper.step({0: frame})[0] for frame in session.frames])


def test_a_reused_slot_knows_nothing_of_sampling_that_was_changed(session: Session) -> None:
    stepper = LmStepper(tiny_lm(), 1)
    alone(replace(session, changes={3: random_settings(random.Random(4)).sampling}), stepper)
    assert alone(session, stepper) == alone(session)


def test_a_seed_says_what_is_drawn(session: Session) -> None:
    other = replace(session, settings=replace(session.settings, seed=5))
    assert alone(session) == alone(session)
    assert alone(session) != alone(other)


def test_nothing_of_a_slot_s_last_session_is_left_to_the_next(session: Session) -> None:
    stepper = LmStepper(tiny_lm(), SLOTS)
    alone(random_session(random.Random(3), frames=40), stepper, slot=2)
    assert alone(session, stepper, slot=2) == alone(session)


def test_at_temperature_0_the_seed_says_nothing(session: Session) -> None:
    calm = LmSettings(text_temperature=0, audio_temperature=0, seed=1)
    one, other = replace(session, settings=calm), replace(session, settings=replace(calm, seed=2))
    assert alone(one) == alone(other)
