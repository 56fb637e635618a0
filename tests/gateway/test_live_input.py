"""What the model hears of a live client, and when, whatever the network and the clocks do."""

import random
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from gateway.simulated_call import Arrival, Heard, in_order, listen, packets
from hypothesis import given, settings
from hypothesis import strategies as st
from kaiwa_server.gateway.fast_input import FastInput
from kaiwa_server.gateway.live_input import LiveInput

FRAME_S = 0.08
CAP_S = 0.24
HOUR_S = 3600


def heard_live(arrivals: Iterator[Arrival], until_s: float) -> Heard:
    return listen(LiveInput(), arrivals, until_s)


def delayed(arrivals: Iterator[Arrival], delay_s: Callable[[float], float]) -> Iterator[Arrival]:
    """Packets over a network that takes this long for the one that was sent then."""
    return in_order((at_s + delay_s(at_s), samples) for at_s, samples in arrivals)


def stalled(arrivals: Iterator[Arrival], from_s: float, to_s: float) -> Iterator[Arrival]:
    """Packets over a network that delivers nothing in between, and then all at once."""
    return delayed(arrivals, lambda at_s: to_s - at_s if from_s <= at_s < to_s else 0.0)


@pytest.mark.parametrize("packet_ms", [2.5, 10, 20, 40, 60, 80, 100, 120])
def test_a_regular_client_never_waits_and_loses_nothing(packet_ms: float) -> None:
    heard = heard_live(packets(24, packet_ms), 24)
    assert (len(heard.frames), heard.concealed, heard.dropped) == (300, 0, 0)
    assert all(at_s == frame.complete_s for at_s, frame in heard.frames)


def test_jitter_below_the_target_is_handed_on_without_loss_or_delay() -> None:
    dice = random.Random(7)
    heard = heard_live(delayed(packets(60), lambda _: dice.uniform(0, 0.06)), 60)
    assert heard.concealed == heard.dropped == 0
    assert all(at_s == frame.complete_s for at_s, frame in heard.frames)


def test_a_client_that_was_regular_is_waited_for_40_ms_and_then_for_80() -> None:
    gaps = (pause for pause in packets(200) if not 100 < pause[0] <= 100.08)
    heard = heard_live((arrival for arrival in gaps if not 110 < arrival[0] <= 110.08), 200)
    [first, second] = [round(at_s, 2) for at_s, frame in heard.frames if frame.samples is None]
    assert first == pytest.approx(100.08 + 0.05, abs=0.011), "lateness is almost forgotten"
    assert second == pytest.approx(110.08 + 0.08, abs=0.01)


def test_during_a_stall_the_models_clock_goes_on() -> None:
    heard = heard_live(stalled(packets(30), 10, 12), 30)
    times_s = [at_s for at_s, _ in heard.frames]
    assert len(heard.frames) == 375, "a frame every 80 ms"
    assert max(np.diff(times_s)) <= 2 * FRAME_S + 1e-9
    assert heard.concealed == heard.dropped == 24


def test_within_a_second_after_a_stall_the_newest_sound_is_heard_without_delay() -> None:
    heard = heard_live(stalled(packets(30), 10, 12), 30)
    after = [(at_s, f) for at_s, f in heard.frames if at_s >= 12.2 and f.samples is not None]
    assert all(at_s == frame.complete_s for at_s, frame in after)
    spoken_s = [(float(frame.samples[-1]) + 1) / 24_000 for _, frame in after]
    assert [at_s for at_s, _ in after] == pytest.approx(spoken_s, abs=1e-3)


def test_sound_after_a_pause_is_heard_at_once_and_none_of_it_is_left_out() -> None:
    pause_s = 5.033
    arrivals = ((at_s if at_s < 10 else at_s + pause_s, sound) for at_s, sound in packets(30))
    heard = heard_live(arrivals, 35)
    assert heard.dropped == 0 and heard.concealed == pytest.approx(pause_s / FRAME_S, abs=2)
    after = [(at_s, frame) for at_s, frame in heard.frames if at_s > 16.1]
    assert all(at_s == frame.complete_s for at_s, frame in after)


def test_packets_that_are_lost_for_good_are_concealed_once_and_the_rest_is_heard() -> None:
    dice = random.Random(5)
    sent = list(packets(120))
    kept = [arrival for arrival in sent if dice.random() > 0.03]
    heard = heard_live(iter(kept), 120)
    assert heard.dropped == 0
    assert heard.concealed == pytest.approx((len(sent) - len(kept)) / 4, abs=2)


@pytest.mark.parametrize("ppm", [200, -200])
def test_an_hour_of_clocks_that_differ_loses_no_more_than_ten_frames(ppm: int) -> None:
    sent_s = HOUR_S * (1 - 2e-4)
    heard = heard_live(packets(sent_s, 80, ppm=ppm), sent_s * (1 - ppm * 1e-6))
    assert heard.concealed + heard.dropped <= 10
    assert max(heard.lags_s) <= CAP_S


@pytest.mark.parametrize("ppm", [20_000, -20_000])
def test_a_client_whose_clock_is_wrong_is_cut_or_filled_to_the_gateways_time(ppm: int) -> None:
    lasts_s = 120 / (1 + ppm * 1e-6)
    heard = heard_live(packets(120, ppm=ppm), lasts_s)
    assert len(heard.frames) == pytest.approx(lasts_s / FRAME_S, abs=5)
    assert max(heard.lags_s) <= CAP_S


def test_a_client_that_is_twice_too_fast_is_heard_in_real_time_and_half_of_it_is_left_out() -> None:
    twice_as_fast = ((at_s / 2, sound) for at_s, sound in packets(60))
    heard = heard_live(twice_as_fast, 30)
    assert len(heard.frames) == pytest.approx(30 / FRAME_S, abs=4)
    assert heard.dropped == pytest.approx(30 / FRAME_S, abs=8)


def test_what_was_said_before_the_end_is_given_at_once() -> None:
    user = LiveInput()
    sound = np.arange(5000, dtype=np.float32)
    user.hear(sound, 0.0)
    user.finish(0.0)
    frames = [user.take(0.0) for _ in range(3)]
    assert np.array_equal(np.concatenate([f.samples for f in frames if f])[:5000], sound)
    assert user.all_taken and user.take(9.9) is None


def test_a_user_who_never_speaks_is_never_missed() -> None:
    user = LiveInput()
    user.hear(np.zeros(1919, np.float32), 0.0)
    assert user.next_s == float("inf") and user.take(1e6) is None


def test_frames_that_pass_while_the_model_is_busy_are_not_made_up_for() -> None:
    user = LiveInput()
    user.hear(np.zeros(1920, np.float32), 0.0)
    assert user.take(0.0) is not None
    assert user.take(10.0) is not None, "one is missing"
    assert user.take(10.0) is None, "and not a hundred"


NETWORKS = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "packet_ms": st.sampled_from([10, 20, 40, 60, 120]),
        "jitter_s": st.sampled_from([0.0, 0.01, 0.05, 0.2, 0.8]),
        "lost": st.sampled_from([0.0, 0.03, 0.3]),
        "ppm": st.sampled_from([-5_000, -200, 0, 200, 5_000]),
        "stalls": st.lists(st.tuples(st.floats(0.5, 9), st.floats(0.05, 3)), max_size=3),
    }
)


def over(network: dict[str, object]) -> list[Arrival]:
    """Ten seconds of packets over a network that does all of this to them."""
    dice = random.Random(network["seed"])
    arrivals = packets(10, network["packet_ms"], ppm=network["ppm"])
    kept = [arrival for arrival in arrivals if dice.random() >= network["lost"]]
    sent = delayed(iter(kept), lambda _: dice.uniform(0, network["jitter_s"]))
    for from_s, length_s in network["stalls"]:
        sent = stalled(sent, from_s, from_s + length_s)
    return list(sent)


@settings(deadline=None, max_examples=60)
@given(NETWORKS)
def test_whatever_the_network_does_the_clock_goes_on_and_the_lag_is_bounded(
    network: dict[str, object],
) -> None:
    arrivals = over(network)
    end_s = arrivals[-1][0]
    heard = heard_live(iter(arrivals), end_s)
    begin_s = heard.frames[0][0] if heard.frames else end_s
    due = (end_s - begin_s) / FRAME_S
    # At most 240 ms ahead of its time and never more than the longest packet and the target behind.
    assert due - 4 <= len(heard.frames) <= due + 4.1
    assert max(heard.lags_s, default=0.0) <= CAP_S + FRAME_S
    waits_s = [at_s - frame.complete_s for at_s, frame in heard.frames]
    assert max(waits_s, default=0.0) <= CAP_S + 1e-9


@settings(deadline=None, max_examples=60)
@given(NETWORKS)
def test_every_frame_that_came_is_heard_or_left_out_in_the_order_that_it_was_spoken(
    network: dict[str, object],
) -> None:
    user, arrivals = LiveInput(), over(network)
    heard = listen(user, arrivals, arrivals[-1][0])
    user.finish(arrivals[-1][0])
    rest = listen(user, [], arrivals[-1][0] + 1)
    frames = [f for _, f in heard.frames + rest.frames if f.samples is not None]
    came = -(-sum(len(samples) for _, samples in arrivals) // 1920)
    assert len(frames) + heard.dropped == came
    firsts = [float(frame.samples[0]) for frame in frames]  # type: ignore[index]
    assert firsts == sorted(firsts)


@settings(deadline=None, max_examples=60)
@given(NETWORKS)
def test_a_fast_conversation_hears_everything_and_makes_up_nothing(
    network: dict[str, object],
) -> None:
    user, arrivals = FastInput(), over(network)
    heard = listen(user, arrivals, arrivals[-1][0])
    user.finish(arrivals[-1][0])
    rest = listen(user, [], arrivals[-1][0])
    said = np.concatenate([samples for _, samples in arrivals])
    sound = np.concatenate([heard.sound, rest.sound])
    assert np.array_equal(sound[: len(said)], said) and not sound[len(said) :].any()
    assert heard.concealed == heard.dropped == rest.concealed == 0
    assert user.all_taken
