"""What two ways of doing a batch are compared by; that both really run is shown beside `evaluate`."""

from orchestrator.bench.batches import Arm, Batch, compared
from orchestrator.run_config import RunConfig
from orchestrator.settings import Settings
from swebench.data.loading import load_instances
from vectors.engine.scheduler import Counts


def both(one, many):
    return compared(Batch(Settings(), load_instances("bundled"), [], RunConfig()), one, many)


def arm(workers, seconds, predictions=b""):
    stages = {"retrieve": 1.0, "patch_writing": 3.0}
    counts = Counts(passes=10, pieces=25, computed_tokens=400, pass_seconds=2.0)
    return Arm(workers, 6, seconds, 0, stages, 3.0, counts, predictions)


def test_the_ratio_is_that_of_the_seconds_themselves_not_of_what_is_shown_of_them():
    found = both(arm(1, 0.26), arm(2, 0.24))
    assert (found.one_by_one.seconds, found.many_at_once.seconds) == (0.3, 0.2)
    assert found.ratio == 1.08


def test_shares_are_of_all_that_was_spent():
    shown = arm(1, 4.0).report()
    assert {name: stage.share for name, stage in shown.stages.items()} == {
        "retrieve": 0.25,
        "patch_writing": 0.75,
    }
    assert shown.engine.in_passes == 0.5
    assert shown.engine.rows_a_pass == 2.5
    assert shown.tasks_per_hour == 3600 * 6 / 4


def test_predictions_that_differ_are_told():
    assert both(arm(1, 1.0, b"a"), arm(2, 1.0, b"a")).same_predictions
    assert not both(arm(1, 1.0, b"a"), arm(2, 1.0, b"b")).same_predictions
