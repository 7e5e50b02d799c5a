import pytest
import torch

from vectors.domains.domain_vector import DomainVector


@pytest.fixture
def tiny_vector():
    """A vector of four layers."""
    torch.manual_seed(0)
    return DomainVector("made", torch.randn(4, 8), torch.ones(4), torch.full((4,), 2.0), 1, None, {})
