import numpy as np

from attavvad_jax.features.images import normalize_images


def test_each_image_spans_zero_to_one():
  images = np.random.default_rng(0).integers(10, 200, (2, 3, 5, 4), dtype=np.uint8)
  result = normalize_images(images, np.ones((2, 3), bool))
  for b in range(2):
    for n in range(3):
      image = images[b, n].astype(np.float64)
      expected = (image - image.min()) / (image.max() - image.min())
      np.testing.assert_allclose(result[b, n], expected, atol=1e-6)


def test_a_uniform_image_becomes_zeros():
  np.testing.assert_array_equal(normalize_images(np.full((1, 1, 2, 2), 7, np.uint8), np.ones((1, 1), bool)), 0)


def test_a_masked_image_becomes_zeros():
  images = np.arange(8, dtype=np.uint8).reshape(1, 2, 2, 2)
  result = normalize_images(images, np.array([[False, True]]))
  np.testing.assert_array_equal(result[0, 0], 0)
  assert result[0, 1].max() == 1


def test_full_range_does_not_overflow():
  result = normalize_images(np.array([[[[0, 255]]]], np.uint8), np.ones((1, 1), bool))
  np.testing.assert_array_equal(result, [[[[0, 1]]]])
