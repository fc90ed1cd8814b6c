"""Rules of layers with weights, known by hand."""

import pytest
import torch
from torch.nn import functional as F

from core.methods import lrp_layers
from core.methods.lrp_layers import At


def layer(values, weights, bias, relevance):
    """A linear layer of one output; and the relevance of that."""
    found = torch.tensor([values]), torch.tensor([weights]), torch.tensor([bias])
    return At(F.linear, *found, F.linear(*found)), torch.tensor([[relevance]])


def close(found, expected):
    torch.testing.assert_close(found, torch.tensor([expected]), rtol=1e-5, atol=1e-5)


# Contributions 2, -3 and -2, with the bias 1: the output is -2.
NEGATIVE = layer([2.0, -1.0, 1.0], [1.0, 3.0, -2.0], 1.0, 4.0)


def test_epsilon():
    close(lrp_layers.epsilon(*NEGATIVE, 1e-9), [-4.0, 6.0, 4.0])


def test_a_large_epsilon_absorbs():
    close(lrp_layers.epsilon(*NEGATIVE, 2.0), [-2.0, 3.0, 2.0])


def test_epsilon_of_zero_is_moved_upwards():
    at, relevance = layer([1.0, 1.0], [1.0, -1.0], 0.0, 1.0)
    close(lrp_layers.epsilon(at, relevance, 0.5), [2.0, -2.0])


def test_z_plus_counts_positive_contributions_of_both_kinds():
    # 2 of the first input and 1 of the bias; then also (-1)(-3) = 3 of the second input.
    close(lrp_layers.z_plus(*NEGATIVE), [8 / 3, 0.0, 0.0])
    at, relevance = layer([2.0, -1.0, 1.0], [1.0, -3.0, -2.0], -1.0, 4.0)
    close(lrp_layers.z_plus(at, relevance), [8 / 5, 12 / 5, 0.0])


def test_gamma_favours_what_pushes_to_the_side_of_the_output():
    # The output is negative: contributions 2, -3 - 3 and -2 - 2, and the positive bias 1.
    close(lrp_layers.gamma(*NEGATIVE, 1.0), [4 * 2 / -7, 4 * -6 / -7, 4 * -4 / -7])
    # Positive now: 2 + 2, -3 and -2, and the bias 5 + 5.
    at, relevance = layer([2.0, -1.0, 1.0], [1.0, 3.0, -2.0], 5.0, 4.0)
    close(lrp_layers.gamma(at, relevance, 1.0), [16 / 9, -12 / 9, -8 / 9])


@pytest.mark.parametrize("size", [0.25, 3.0])
def test_gamma_of_a_convolution_contribution_by_contribution(size):
    generator = torch.Generator().manual_seed(1)
    values, weights, bias, relevance = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in ((2, 4, 5, 5), (6, 2, 3, 3), (6,), (2, 6, 3, 3))
    )

    def convolve(inputs, weights, bias):
        return F.conv2d(inputs, weights, bias, stride=2, padding=1, groups=2)

    at = At(convolve, values, weights, bias, convolve(values, weights, bias))
    found = lrp_layers.gamma(at, relevance, size)
    zero = torch.zeros(6, dtype=torch.float64)
    # What each input number contributes to each output number: (inputs, images, 6, 3, 3).
    ones = torch.eye(4 * 5 * 5, dtype=torch.float64).view(-1, 1, 4, 5, 5)
    parts = torch.stack([convolve(values * one, weights, zero) for one in ones])
    own = parts.sign() == at.output.sign()
    counted = parts * (1 + size * own)
    of_bias = bias.view(6, 1, 1) * (1 + size * (bias.view(6, 1, 1).sign() == at.output.sign()))
    shares = counted / (counted.sum(0) + of_bias)
    expected = (shares * relevance).sum((2, 3, 4)).T.reshape(values.shape)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_gamma_of_nothing_is_epsilon():
    close(lrp_layers.gamma(*NEGATIVE, 0.0), [-4.0, 6.0, 4.0])


def test_flat():
    close(lrp_layers.flat(*NEGATIVE), [4 / 3, 4 / 3, 4 / 3])


def test_box():
    # Above what -2 or 3, whichever is less, contributes: 2 + 2, -3 + 6 and -2 + 6.
    at, relevance = NEGATIVE
    low, high = torch.full_like(at.input, -2.0), torch.full_like(at.input, 3.0)
    close(lrp_layers.box(at, relevance, low, high), [16 / 11, 12 / 11, 16 / 11])


@pytest.mark.parametrize("rule", [lrp_layers.flat, lrp_layers.z_plus])
def test_a_convolution_is_as_its_linear_layer(rule):
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, 2, 3, 3, generator=generator)
    weight = torch.randn(4, 2, 3, 3, generator=generator)
    relevance = torch.randn(1, 4, 1, 1, generator=generator)
    made = rule(At(F.conv2d, image, weight, None, F.conv2d(image, weight)), relevance)
    rows, flattened = weight.flatten(1), image.flatten(1)
    at = At(F.linear, flattened, rows, None, F.linear(flattened, rows))
    expected = rule(at, relevance.flatten(1)).view(1, 2, 3, 3)
    torch.testing.assert_close(made, expected, rtol=1e-4, atol=1e-5)
