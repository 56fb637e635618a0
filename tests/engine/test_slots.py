import pytest
from kaiwa_server.engine.slots import SlotTable
from kaiwa_server.errors import ServiceFull


def test_the_lowest_free_slot_is_taken_first() -> None:
    table = SlotTable(3)
    assert [table.take(), table.take(), table.take()] == [0, 1, 2]
    table.give_back(2)
    table.give_back(0)
    assert table.take() == 0


def test_a_full_table_refuses_and_says_how_large_it_is() -> None:
    table = SlotTable(1)
    table.take()
    with pytest.raises(ServiceFull, match="all 1 slots are taken"):
        table.take()


@pytest.mark.parametrize("slot", [0, 7, -1])
def test_a_slot_that_is_not_taken_cannot_be_given_back(slot: int) -> None:
    with pytest.raises(ValueError, match="not taken"):
        SlotTable(2).give_back(slot)


def test_used_counts_the_taken_slots() -> None:
    table = SlotTable(4)
    table.take()
    table.give_back(table.take())
    assert table.used == 1
