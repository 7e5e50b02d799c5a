import torch

from tests.vectors.folders import language_model, save
from vectors.models import checkpoints, streaming
from vectors.models.loading import load_model
from vectors.models.untrained import untrain


def test_weights_are_drawn_anew_with_their_spread_and_the_seed_decides_them(tmp_path):
    trained = language_model(tmp_path / "model")
    drawn = [untrain(language_model(tmp_path / "model"), seed) for seed in (0, 0, 1)]
    for name, parameter in drawn[0].model.named_parameters():
        of = trained.model.get_parameter(name)
        if parameter.dim() > 1:
            assert abs(float(parameter.std() / of.std()) - 1) < 0.05, name
            mixed = torch.stack([parameter.flatten(), of.flatten()])
            assert abs(float(torch.corrcoef(mixed)[0, 1])) < 0.08, name
        else:
            assert torch.equal(parameter.sort().values, of.sort().values)
    same, other = (
        all(map(torch.equal, drawn[0].model.parameters(), each.model.parameters())) for each in drawn[1:]
    )
    assert same
    assert not other
    assert len({trained.digest, *(each.digest for each in drawn)}) == 3


def test_what_was_drawn_stays_where_the_weights_were_mapped_from_a_file(tmp_path):
    save(tmp_path)
    (tmp_path / checkpoints.SOURCE_FILE).write_text("{}")
    lm = untrain(load_model(str(tmp_path), cache=tmp_path / "unused", dtype=torch.bfloat16), 0)
    drawn = [parameter.clone() for parameter in lm.model.parameters()]
    streaming.give_back()
    assert all(map(torch.equal, lm.model.parameters(), drawn))
