"""Our Adam beside PyTorch's fused one."""

import copy

import pytest
import torch

from teachrl.distillation.adam import Adam

SHAPES = ((5, 3), (7,), (2, 2, 2), ())


def parameters(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def fill(mine, seed, without=()):
    generator = torch.Generator().manual_seed(seed)
    for i, parameter in enumerate(mine):
        parameter.grad = None if i in without else torch.randn(parameter.shape, generator=generator)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_it_is_pytorchs_fused_adam_to_the_last_bit(decay):
    ours, theirs = parameters(), parameters()
    own, other = Adam(ours, 0.01, decay), torch.optim.Adam(theirs, 0.01, weight_decay=decay, fused=True)
    for step in range(20):
        for optimizer in (own, other):
            optimizer.param_groups[0]["lr"] = 0.01 / (step + 1)
        for mine, optimizer in ((ours, own), (theirs, other)):
            fill(mine, step, without={1})
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert torch.equal(ours[1], parameters()[1])


def test_it_goes_on_from_its_state():
    whole = parameters()
    one = Adam(whole, 0.01)
    for step in range(2):
        fill(whole, step)
        one.step()
    again = [torch.nn.Parameter(parameter.detach().clone()) for parameter in whole]
    other = Adam(again, 1.0)
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    assert other.param_groups[0]["lr"] == 0.01
    for step in (2, 3):
        for mine, optimizer in ((whole, one), (again, other)):
            fill(mine, step)
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(whole, again, strict=True))


def test_gradients_are_forgotten_or_zeroed():
    mine = parameters()
    optimizer = Adam(mine)
    fill(mine, 0)
    optimizer.zero_grad(set_to_none=False)
    assert all(torch.equal(p.grad, torch.zeros_like(p)) for p in mine)
    optimizer.zero_grad()
    assert all(p.grad is None for p in mine)
