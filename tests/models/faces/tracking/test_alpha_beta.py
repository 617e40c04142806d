import numpy as np

from models.faces.tracking.alpha_beta import AlphaBetaFilter


def test_jitter_is_reduced():
    rng = np.random.default_rng(1)
    tremble = 100 + rng.normal(0, 1, 200)
    smoothing_filter = AlphaBetaFilter()

    calm = [float(smoothing_filter([value], unit=100)[0]) for value in tremble]

    assert np.std(np.diff(calm)) < 0.3 * np.std(np.diff(tremble))


def test_fast_motion_has_little_lag():
    smoothing_filter = AlphaBetaFilter()

    for x in range(0, 400, 10):
        filtered = smoothing_filter([float(x)], unit=100)

    assert abs(filtered[0] - 390) < 5


def test_after_a_reset_the_next_value_is_returned_unchanged():
    smoothing_filter = AlphaBetaFilter()
    smoothing_filter([10.0])

    smoothing_filter.reset()

    assert smoothing_filter([500.0])[0] == 500.0
