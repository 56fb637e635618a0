from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kaiwa_server.gateway.pacing import MAX_WAITING_PACKETS, Pacer


@dataclass
class Phone:
    """A pacer and a simulated clock: what left, and when, in ms."""

    pacer: Pacer = field(default_factory=Pacer)
    now_ms: int = 0
    left: list[tuple[int, bytes]] = field(default_factory=list)

    def frame(self, at_ms: int, name: bytes, quiet: bool = False) -> None:
        """A frame of four packets comes; until then what was due has left."""
        self.run_until(at_ms)
        self.pacer.put([name + bytes([packet]) for packet in b"0123"], quiet)

    def run_until(self, at_ms: int) -> None:
        while (due_s := self.pacer.next_s(self.now_ms / 1000)) is not None:
            if due_s * 1000 >= at_ms - 0.001:
                break
            self.now_ms = round(due_s * 1000)
            self.left.append((self.now_ms, self.pacer.take(self.now_ms / 1000)))
        self.now_ms = at_ms

    @property
    def times_ms(self) -> list[int]:
        return [at_ms for at_ms, _ in self.left]

    @property
    def said(self) -> bytes:
        return b" ".join(packet for _, packet in self.left)


def test_a_frame_leaves_in_packets_of_20_ms() -> None:
    phone = Phone()
    for index in range(3):
        phone.frame(at_ms=80 * index, name=b"abc"[index : index + 1])
    phone.run_until(1_000)
    assert phone.times_ms == list(range(0, 240, 20))
    assert phone.said == b"a0 a1 a2 a3 b0 b1 b2 b3 c0 c1 c2 c3"


def test_a_frame_that_is_a_little_late_does_not_move_those_after_it() -> None:
    phone = Phone()
    for name, at_ms in ((b"a", 0), (b"b", 95), (b"c", 160)):
        phone.frame(at_ms, name)
    phone.run_until(1_000)
    assert phone.times_ms == [0, 20, 40, 60, 95, 100, 120, 140, 160, 180, 200, 220]


def test_after_a_stall_the_packets_are_even_again() -> None:
    phone = Phone()
    for name, at_ms in ((b"a", 0), (b"b", 300), (b"c", 300), (b"d", 380)):
        phone.frame(at_ms, name)
    phone.run_until(1_000)
    assert phone.times_ms[4:] == list(range(300, 540, 20))
    assert phone.said.endswith(b"d0 d1 d2 d3")


def test_a_pause_gives_back_the_delay_of_a_stall() -> None:
    phone = Phone()
    for name, at_ms in ((b"a", 0), (b"b", 300), (b"c", 300)):
        phone.frame(at_ms, name)
    phone.frame(380, b"_", quiet=True)  # all four packets of c still wait
    phone.frame(460, b"d")
    phone.run_until(1_000)
    assert phone.said == b"a0 a1 a2 a3 b0 b1 b2 b3 c0 c1 c2 c3 d0 d1 d2 d3"
    assert phone.times_ms[-4:] == [460, 480, 500, 520]


def test_a_pause_is_left_as_it_is_when_nothing_is_late() -> None:
    phone = Phone()
    for index in range(4):
        phone.frame(at_ms=80 * index - 5 * (index % 2), name=b"_", quiet=True)
    phone.run_until(1_000)
    assert len(phone.left) == 16


def test_the_oldest_is_left_out_of_more_than_240_ms() -> None:
    phone = Phone()
    for name in (b"a", b"b", b"c", b"d"):
        phone.frame(0, name)
    phone.run_until(1_000)
    assert phone.said == b"b0 b1 b2 b3 c0 c1 c2 c3 d0 d1 d2 d3"


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 200), st.booleans()), max_size=30))
def test_whatever_comes_no_packet_waits_long_and_none_overtakes(
    frames: list[tuple[int, bool]],
) -> None:
    phone, at_ms, came_ms = Phone(), 0, {}
    for index, (after_ms, quiet) in enumerate(frames):
        at_ms += after_ms
        name = index.to_bytes(1, "big")
        came_ms[name] = at_ms
        phone.frame(at_ms, name, quiet)
    phone.run_until(at_ms + 10_000)
    assert [packet for _, packet in phone.left] == sorted(packet for _, packet in phone.left)
    for left_ms, packet in phone.left:
        assert 0 <= left_ms - came_ms[packet[:1]] <= MAX_WAITING_PACKETS * 20


def test_nobody_is_told_to_wait_for_nothing() -> None:
    pacer = Pacer()
    assert pacer.next_s(5.0) is None
    pacer.put([b"a"], quiet=False)
    assert pacer.next_s(5.0) == 5.0
    assert pacer.take(5.0) == b"a"
    pacer.put([b"b"], quiet=False)
    assert pacer.next_s(5.001) == pytest.approx(5.02)


def test_what_is_cleared_does_not_leave_and_what_follows_keeps_the_times() -> None:
    phone = Phone()
    phone.frame(0, b"a")
    phone.run_until(30)
    phone.pacer.clear()
    phone.frame(30, b"b")
    phone.run_until(200)
    assert phone.said == b"a0 a1 b0 b1 b2 b3"
    assert phone.times_ms == [0, 20, 40, 60, 80, 100]
