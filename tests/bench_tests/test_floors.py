"""The least a step can take."""

import pytest
from bench.codec_part import weights_read
from bench.floors import Floor, Speeds
from kaiwa_server.models.mimi_config import MimiConfig

SPEEDS = Speeds(read_gb_s=10.0, fp32_gflop_s=100.0, bf16_gflop_s=400.0)


def test_weights_are_read_once_and_arithmetic_is_done_for_each_session() -> None:
    floor = Floor(weights=50_000_000, gflop_per_session=0.5)
    assert floor.step_ms(1, 4, SPEEDS) == pytest.approx(20 + 5)
    assert floor.step_ms(8, 4, SPEEDS) == pytest.approx(20 + 40)


def test_int8_reads_a_quarter_and_calculates_in_single_precision() -> None:
    assert Floor(weights=50_000_000, gflop_per_session=0.5).step_ms(8, 1, SPEEDS) == pytest.approx(
        5 + 40
    )


def test_bf16_reads_half_and_calculates_at_its_own_rate() -> None:
    floor = Floor(weights=50_000_000, gflop_per_session=0.5)
    assert floor.step_ms(8, 2, SPEEDS) == pytest.approx(10 + 10)


def test_a_frame_of_mimi_reads_all_weights_and_the_codebooks_that_are_searched() -> None:
    assert weights_read(MimiConfig()) == 79_308_609 + 8 * 2048 * 256
