"""Results come in order, few items are held, and a failure stops what is not begun."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from galaxies.base.pool import batched, in_order


def test_results_keep_the_order_of_the_items_whoever_finishes_first():
    def slowly(number):
        time.sleep(0.02 if number % 3 == 0 else 0)
        return number

    with ThreadPoolExecutor(4) as pool:
        assert list(in_order(pool, slowly, range(20), ahead=8)) == list(range(20))


def test_no_more_items_are_taken_than_are_worked_on():
    taken = []

    def items():
        for number in range(50):
            taken.append(number)
            yield number

    with ThreadPoolExecutor(2) as pool:
        results = in_order(pool, lambda number: number, items(), ahead=4)
        for done, _ in enumerate(results, start=1):
            assert len(taken) - done <= 4
    assert len(taken) == 50


def test_an_items_error_is_raised_and_nothing_further_is_begun():
    begun, free = [], threading.Event()

    def fail_first(number):
        begun.append(number)
        if number == 0:
            raise ValueError("bad item")
        free.wait(5)

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(ValueError, match="bad item"):
            list(in_order(pool, fail_first, range(100), ahead=20))
        free.set()
    assert len(begun) <= 2


def test_whoever_stops_early_waits_for_no_item_that_is_not_begun():
    begun = []

    def slowly(number):
        begun.append(number)
        time.sleep(0.05)
        return number

    with ThreadPoolExecutor(1) as pool:
        for _ in in_order(pool, slowly, range(100), ahead=20):
            break
    assert len(begun) <= 3


def test_batches_are_full_but_for_the_last():
    assert list(batched(range(5), 2)) == [(0, 1), (2, 3), (4,)]
    assert list(batched([], 2)) == []
