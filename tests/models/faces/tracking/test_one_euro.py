import numpy as np

from models.faces.tracking.one_euro import Smoother


def test_a_tremble_is_calmed():
    rng = np.random.default_rng(1)
    tremble = 100 + rng.normal(0, 1, 200)
    smoother = Smoother()

    calm = [float(smoother([value], unit=100)[0]) for value in tremble]

    assert np.std(np.diff(calm)) < 0.3 * np.std(np.diff(tremble))


def test_a_fast_motion_is_followed():
    smoother = Smoother()

    for x in range(0, 400, 10):
        followed = smoother([float(x)], unit=100)

    assert abs(followed[0] - 390) < 5


def test_after_a_reset_the_next_value_is_taken_as_it_is():
    smoother = Smoother()
    smoother([10.0])

    smoother.reset()

    assert smoother([500.0])[0] == 500.0
