"""Whether it helps the search to look for what the model says of an issue as well: measured, task by task.

A run with `widen` searches with the findings of code_reading beside the issue. Here those of many tasks are
made in batches, steered as in a run, and the ranks with and without them are compared.
"""

from collections.abc import Sequence

from orchestrator.bench.localization import CUTOFFS, Found
from orchestrator.bench.reports import Gain, Gains
from orchestrator.calibration.situations import answers
from orchestrator.policy.decisions import PromptContents
from orchestrator.run_config import RunConfig
from orchestrator.session import Session
from orchestrator.task.prompts import node_prompt, trim_issue
from swebench.data.tasks import Instance
from vectors.statistics.documents import average
from vectors.statistics.tests import mcnemar
from vectors.steering.intervention import Steering


def findings(session: Session, instances: Sequence[Instance]) -> list[str]:
    """What code_reading says of each issue, as in a run with the default settings. Loads the model."""
    config, model = RunConfig(), session.model
    decision = session.policy(config).decide(PromptContents("code_reading", model.name, 0, 0))
    steering: Steering = ()
    if decision.vector is not None:
        vector = session.vectors.get(model, decision.vector, progress=session.progress)
        steering = (vector.intervention(),)
    issues = (
        trim_issue(each.task.problem_statement, config.issue_tokens, model.count_tokens) for each in instances
    )
    prompts = [node_prompt("code_reading", issue) for issue in issues]
    return answers(session, config, "code_reading", prompts, steering)


def gains(plain: Sequence[Found], widened: Sequence[Found]) -> Gains:
    """What widening gains at each cutoff; both hold the same instances in the same order."""
    found = {}
    for k in CUTOFFS:
        pairs = [(_within(one, k), _within(other, k)) for one, other in zip(plain, widened, strict=True)]
        test = mcnemar(pairs)
        differences = [100.0 * (other - one) for one, other in pairs]
        found[k] = Gain(
            gain=round(sum(differences) / len(pairs), 1),
            ci95=average(differences)["ci95"],
            only_first=test.only_first,
            only_second=test.only_second,
            p=test.p,
        )
    return Gains(n=len(plain), at=found)


def _within(found: Found, k: int) -> bool:
    return found.file_rank is not None and found.file_rank <= k
