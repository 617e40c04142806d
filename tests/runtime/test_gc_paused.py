"""Imports without the garbage collector, which must be the same afterwards."""

from __future__ import annotations

import gc
import weakref

import pytest

from runtime.gc_paused import gc_paused


class Knot:
    """An object in a reference cycle, which only the garbage collector frees."""

    def __init__(self):
        self.itself = self


def test_nothing_is_collected_in_the_block_and_everything_after_it():
    before = Knot()
    with gc_paused():
        assert not gc.isenabled()
        meanwhile = Knot()
    gone = [weakref.ref(before), weakref.ref(meanwhile)]
    del before, meanwhile

    gc.collect()

    assert gc.isenabled()
    assert [there() for there in gone] == [None, None]


def test_a_failed_import_turns_collection_on_again():
    with pytest.raises(ImportError), gc_paused():
        raise ImportError

    assert gc.isenabled()


def test_an_inner_block_does_not_end_the_pause():
    with gc_paused():
        with gc_paused():
            pass
        assert not gc.isenabled()

    assert gc.isenabled()


def test_frozen_objects_are_not_visited_again():
    with gc_paused(freeze=True):
        pass
    try:
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
