import numpy as np
import pytest
from kaiwa_server.gateway.first_second import FirstSecond
from kaiwa_server.gateway.outputs import AudioReport
from numpy.typing import NDArray


def report_of(
    sound: NDArray[np.float32], sent_hz: float = 24_000, packet_samples: int = 480
) -> AudioReport:
    """The report on sound that is sent at a rate."""
    listener, reports = FirstSecond(), []
    for start in range(0, len(sound), packet_samples):
        now_s = (start + packet_samples) / sent_hz
        reports.append(listener.hear(sound[start : start + packet_samples], now_s, step=3))
    [report] = [report for report in reports if report]
    assert report.step == 3
    return report


TONE = (0.5 * np.sin(np.arange(48_000) * 0.05)).astype(np.float32)


def test_a_tone_is_reported_with_its_rate_and_level() -> None:
    report = report_of(TONE)
    assert report.rate_hz == 24_000
    assert report.rms_dbfs == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.1)
    assert (report.silence_share, report.clipped_share) == (0, 0)


@pytest.mark.parametrize("sent_hz", [8_000, 44_100, 48_000])
def test_a_wrong_rate_shows(sent_hz: int) -> None:
    assert report_of(TONE, sent_hz).rate_hz == sent_hz


def test_a_microphone_that_is_off_shows() -> None:
    report = report_of(np.zeros(24_000, np.float32))
    assert (report.rms_dbfs, report.silence_share) == (-120, 1)


def test_integers_that_were_taken_for_floats_show() -> None:
    assert report_of(np.clip(TONE * 32_767, -1, 1)).clipped_share > 0.9


def test_half_a_second_of_silence_is_half_of_it() -> None:
    sound = np.concatenate([np.zeros(12_000, np.float32), TONE[:12_000]])
    assert report_of(sound).silence_share == pytest.approx(0.5, abs=0.02)


def test_the_rate_of_what_comes_all_at_once_is_not_told() -> None:
    assert report_of(TONE, sent_hz=1e6).rate_hz == 0


def test_nothing_is_reported_before_a_second_is_there() -> None:
    assert FirstSecond().hear(TONE[:23_999], 1.0, 0) is None
