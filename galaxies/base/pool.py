"""Work shared out among threads or processes: items in batches, results in their order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(
    pool: Executor, function: Callable[[T], R], items: Iterable[T], ahead: int
) -> Iterator[R]:
    """Apply a function to items in a pool, few of them at a time.

    Unlike `Executor.map`, which takes all items at once, this holds no more than it works on.

    Parameters
    ----------
    pool : Executor
        Threads or processes; it stays open.
    function : callable
        What is done with each item.
    items : iterable
        Taken one by one, in the caller's thread, as results are asked for.
    ahead : int
        How many further items are begun while a result is awaited; twice the workers keep all of
        them busy.

    Yields
    ------
    object
        The results, in the order of the items. When the caller stops early, or an item fails, what
        is not begun is cancelled.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(2) as pool:
    ...     list(in_order(pool, abs, [-3, 2, -1], ahead=4))
    [3, 2, 1]
    """
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def batched(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """Cut into batches of `size`, the last one smaller.

    Examples
    --------
    >>> list(batched("galaxy", 4))
    [('g', 'a', 'l', 'a'), ('x', 'y')]
    """
    iterator = iter(items)
    while batch := tuple(islice(iterator, size)):
        yield batch
