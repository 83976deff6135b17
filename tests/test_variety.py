"""Variety and memorisation against independent implementations and known cases."""

import numpy as np
import pytest
import scipy.stats
import skimage.metrics
import sklearn.neighbors
import tensorflow as tf

from keras_gen.images import to_uint8
from keras_gen.metrics import memorisation, variety

RANDOM = np.random.default_rng(0)


def smooth(count, side=32):
    """Images of a few waves, in [-1, 1]."""
    y, x = np.mgrid[:side, :side] / side
    waves = [np.sin(6 * x), np.cos(9 * y), np.sin(13 * (x + y)), np.cos(4 * x * y)]
    weights = RANDOM.normal(size=(count, 4))
    return np.tanh(np.tensordot(weights, waves, 1))[..., None].astype(np.float32)


def test_the_similarity_at_one_scale_is_that_of_scikit_image():
    a, b = smooth(3, side=20), smooth(3, side=20)  # 20 pixels allow one scale.
    assert variety.num_scales((20, 20, 1)) == 1
    ours = variety.ms_ssim(a, b)
    for i in range(3):
        theirs = skimage.metrics.structural_similarity(
            (a[i, ..., 0] + 1) / 2,
            (b[i, ..., 0] + 1) / 2,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )[1][5:-5, 5:-5].mean()  # Only where the window is inside the image.
        assert ours[i] == pytest.approx(max(theirs, 0), abs=1e-3)


@pytest.mark.parametrize("shape", [(32, 32, 1), (33, 47, 3), (88, 90, 3)])
def test_the_similarity_at_all_scales_is_that_of_tensorflow(shape):
    random = np.random.default_rng(0)
    a = random.uniform(-1, 1, (4, *shape)).astype(np.float32)
    noise = np.reshape([0.0, 0.3, 1.0, 3.0], (4, 1, 1, 1)) * random.normal(size=a.shape)
    b = np.clip(a + noise, -1, 1).astype(np.float32)
    weights = np.array(variety.SCALE_WEIGHTS[: variety.num_scales(shape)])
    theirs = tf.image.ssim_multiscale(
        (a + 1) / 2,
        (b + 1) / 2,
        max_val=1.0,
        power_factors=(weights / weights.sum()).tolist(),
    )
    # Differences of float32 means, 1e-7, are raised to powers below 1.
    np.testing.assert_allclose(variety.ms_ssim(a, b), theirs, atol=2e-5)


def test_equal_images_have_similarity_one_and_scales_grow_with_size():
    images = smooth(4)
    np.testing.assert_allclose(variety.ms_ssim(images, images), 1.0, atol=1e-5)
    assert [variety.num_scales((s, s, 3)) for s in (11, 22, 64, 256)] == [1, 2, 3, 5]
    with pytest.raises(ValueError, match="at least 11"):
        variety.ms_ssim(images[:, :10], images[:, :10])
    colour = np.repeat(images, 3, axis=-1)
    for others in (colour, images[:1]):
        with pytest.raises(ValueError, match="images of one shape"):
            variety.ms_ssim(images, others)


def test_collapsed_samples_are_more_similar_than_varied_ones():
    varied = smooth(60)
    few = np.tile(varied[:2], (30, 1, 1, 1))
    mean, error = variety.sample_similarity(varied, num_pairs=300)
    collapsed, _ = variety.sample_similarity(few, num_pairs=300)
    assert 0 < error < 0.1
    assert collapsed > mean + 5 * error


def test_the_pyramid_adds_up_to_the_image():
    images = smooth(3, side=64)
    levels = variety.laplacian_pyramid(images)
    assert [level.shape[1] for level in levels] == [64, 32, 16]
    whole = levels[-1]
    for level in reversed(levels[:-1]):
        whole = level + variety._enlarge(whole)
    np.testing.assert_allclose(whole, images, atol=1e-5)
    # A constant image has no detail.
    flat = variety.laplacian_pyramid(np.full((1, 64, 64, 1), 0.5, np.float32))
    np.testing.assert_allclose(flat[0], 0, atol=1e-6)
    np.testing.assert_allclose(flat[-1], 0.5, atol=1e-6)


def test_sliced_wasserstein_is_scipys_in_one_direction(monkeypatch):
    a, b = smooth(20, side=16), smooth(20, side=16) ** 3
    patches = []
    descriptors = variety._descriptors

    def spy(*arguments):
        patches.append(descriptors(*arguments))
        return patches[-1]

    monkeypatch.setattr(variety, "_descriptors", spy)
    found = variety.sliced_wasserstein(a, b, projections=1, seed=3)
    random = np.random.default_rng(3)
    for level in (a, b):
        descriptors(level, 64, random)
    direction = random.normal(size=(49, 1))
    direction /= np.linalg.norm(direction)
    expected = scipy.stats.wasserstein_distance(
        *((rows @ direction).ravel() for rows in patches)
    )
    assert found == {16: pytest.approx(1000 * expected, rel=1e-4)}


def test_sliced_wasserstein_is_larger_for_sets_that_differ_more():
    a, same, other = smooth(200), smooth(200), np.sign(smooth(200))
    near = variety.sliced_wasserstein(a, same)
    far = variety.sliced_wasserstein(a, other)
    assert set(near) == {32, 16}
    assert all(far[side] > 1.5 * near[side] for side in near)


def test_copies_are_found():
    train, held_out = RANDOM.normal(size=(2, 300, 4))
    fresh = RANDOM.normal(size=(300, 4))

    def figures(samples, held_out):
        ours, theirs = (
            memorisation.nearest(rows, train)[0][:, 0] for rows in (samples, held_out)
        )
        return memorisation.memorisation_figures(ours, theirs)

    found = figures(fresh, held_out)
    assert found["nearest_distance_ratio"] == pytest.approx(1, abs=0.15)
    assert found["copies"] < 0.05
    found = figures(train[:100] + 1e-4, held_out)
    assert found["nearest_distance_ratio"] < 0.01 and found["copies"] == 1.0
    with pytest.raises(ValueError, match="not training"):
        figures(fresh, train)


def test_neighbours_of_a_stream_are_scikit_learns(monkeypatch):
    monkeypatch.setattr(memorisation, "BLOCK", 16)
    rows, among = RANDOM.normal(size=(20, 5)), RANDOM.normal(size=(100, 5))
    found = memorisation.Neighbours(rows, k=3)
    for start in range(0, 100, 37):
        found.update(among[start : start + 37])
    search = sklearn.neighbors.NearestNeighbors(n_neighbors=3).fit(among)
    distances, places = search.kneighbors(rows)
    np.testing.assert_array_equal(found.places, places)
    np.testing.assert_allclose(found.distances, distances)


def test_neighbours_are_shown_beside_samples():
    images = smooth(8, side=16)
    picture = memorisation.neighbours_grid(
        images[:2], images[2:].reshape(2, 3, 16, 16, 1)
    )
    assert picture.shape == (2 * 18 - 2, 4 * 18 - 2, 1)
    np.testing.assert_array_equal(picture[18:34, :16], to_uint8(images[1]))
    np.testing.assert_array_equal(picture[18:34, 18:34], to_uint8(images[5]))
