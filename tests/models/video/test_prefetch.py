import threading

import pytest

from models.video.prefetch import prefetch


def test_all_items_are_returned_in_order():
    assert list(prefetch(iter(range(20)))) == list(range(20))


def test_only_a_few_items_are_prefetched():
    created = []
    items = prefetch((created.append(n) or n for n in range(100)), steps=3)

    next(items)
    items.close()

    assert len(created) <= 5


def test_an_exception_in_the_iterator_is_raised_in_the_consumer():
    def broken():
        yield 1
        raise LookupError

    items = prefetch(broken())

    assert next(items) == 1
    with pytest.raises(LookupError):
        next(items)


def test_closing_ends_the_thread():
    before = threading.active_count()
    items = prefetch(iter(range(100)))
    next(items)

    items.close()

    assert threading.active_count() == before
