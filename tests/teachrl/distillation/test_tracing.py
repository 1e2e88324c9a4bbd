"""Functions written down as straight lines: the same bits, and no line where there is no such thing."""

import pytest
import torch

from teachrl.distillation.tracing import straight_line

X = torch.linspace(-2, 2, 12).reshape(4, 3)
WEIGHT = torch.nn.Parameter(torch.linspace(-1, 1, 6).reshape(2, 3))


def gradient(x):
    logits = torch.nn.functional.linear(x.reshape(1, 4, 3).flatten(0, 1), WEIGHT, torch.zeros(2))
    again = torch.cat([logits.log_softmax(-1)], dim=-1)
    loss = -(again.exp() * logits.log_softmax(-1)).sum(-1, keepdim=True).sum(-1).mean()
    return [loss.detach(), *torch.autograd.grad(loss, [WEIGHT])]


def test_a_line_gives_the_same_bits_and_does_less():
    line = straight_line(gradient, [X])
    for x in (X, X.flip(0) * 3):
        assert all(torch.equal(a, b) for a, b in zip(gradient(x), line(x), strict=True))
    code = line.func.__self__.code
    assert code.count("_log_softmax(") == 1
    assert "cat" not in code
    assert "detach" not in code


def test_weights_are_read_anew():
    line = straight_line(gradient, [X])
    before = line(X)[0].clone()
    with torch.no_grad():
        WEIGHT.mul_(2)
    found = line(X)
    assert not torch.equal(found[0], before)
    assert all(torch.equal(a, b) for a, b in zip(gradient(X), found, strict=True))


def test_results_may_be_changed():
    """A result that is the same in each call, an argument or another result is handed out as a copy."""

    def function(x):
        ones = torch.ones_like(x)
        return [ones, x, x.t(), ones]

    line = straight_line(function, [X])
    given = X.clone()
    for _ in range(2):
        found = line(given)
        assert all(torch.equal(a, b) for a, b in zip(function(X), found, strict=True))
        for result in found:
            result.zero_()
    assert torch.equal(given, X)


def test_one_and_true_and_one_point_zero_differ():
    whole = torch.arange(3)
    line = straight_line(lambda x: [torch.add(x, 1), torch.add(x, 1.0), torch.add(x, True)], [whole])
    assert [result.dtype for result in line(whole)] == [torch.int64, torch.float32, torch.int64]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: [x if bool(x.sum() > 0) else -x],
        lambda x: [x + torch.rand_like(x)],
        lambda x: [x.clone().add_(1)],
    ],
    ids=["looks", "draws", "changes"],
)
def test_what_is_no_line_is_none(function):
    assert straight_line(function, [X]) is None
