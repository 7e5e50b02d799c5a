"""What an event says, as lines of plain text: for logs, and for whoever follows a task from outside."""

from orchestrator.events import (
    CandidateChecked,
    Decided,
    Event,
    NodeFinished,
    NodeStarted,
    Progressed,
    Resumed,
    Retrieved,
    TestsFound,
)
from orchestrator.policy.decisions import SteeringRecord

SHOWN_FILES = 5
SHOWN_TESTS = 3


def steering_text(steering: SteeringRecord) -> str:
    """A decision in words: vector, layer, α absolute and as a share of the spread, mode, reason."""
    if not steering.applied:
        return f"unsteered ({steering.reason.removeprefix('off: ')})"
    if steering.layer is None:
        return f"{steering.steering} ({steering.reason})"
    return (
        f"{steering.vector} @ layer {steering.layer}, α {steering.alpha:.4g} "
        f"({steering.relative_alpha:.0%} of the spread), {steering.mode} ({steering.reason})"
    )


def tests_lines(found: TestsFound) -> list[str]:
    """How a repository's own tests are run, and what they do without a patch, a line each."""
    ran = found.passing + len(found.failing) + len(found.flaky)
    text = f"tests at the base commit: {len(found.failing)} of {ran} fail, in {found.seconds:.1f} s"
    if found.flaky:
        text += f"; {len(found.flaky)} do now and then, such as {found.flaky[0].splitlines()[0]}"
    shown = [test.splitlines()[0] for test in found.failing[:SHOWN_TESTS]]
    if shown:
        text += f": {', '.join(shown)}" + (", …" if len(found.failing) > len(shown) else "")
    return [f"tests: {found.command} ({found.origin}), {found.place}", text]


def line_of(event: Event) -> str | None:
    """The event in words, of several lines where it says much; None for what only counts, such as tokens."""
    line = None
    match event:
        case NodeStarted(node=node, attempt=attempt):
            line = f"{node}: started" + (f" (attempt {attempt + 1})" if attempt else "")
        case Decided(node=node, steering=steering):
            line = f"{node}: {steering_text(steering)}"
        case Retrieved(hits=hits):
            line = "retrieve: " + ", ".join(f"{hit.path} {hit.score:.2f}" for hit in hits[:SHOWN_FILES])
        case CandidateChecked(number=number, verdict=verdict, path=path):
            line = f"validate: candidate {number} in {path}: {verdict}"
        case NodeFinished(node=node, seconds=seconds, new_tokens=new):
            speed = f", {new} tokens, {new / seconds:.0f} tokens/s" if new and seconds else ""
            line = f"{node}: done in {seconds:.1f} s{speed}"
        case Progressed(label=label, done=done, total=total):
            line = f"{label}: {done}/{total}"
        case TestsFound():
            line = "\n".join(tests_lines(event))
        case Resumed(nodes=nodes):
            line = f"going on with an earlier run; finished model nodes: {', '.join(nodes) or 'none'}"
    return line
