"""The prompts of the three model nodes.

Everything the nodes of one task share (system line, issue, retrieved code) stands first and what differs
(earlier finding, role, instruction) last, so that their prompts have a literal prefix in common and an engine
can compute it once. Each answer starts with a forced prefix, which holds a small model to the node's form.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.policy.decisions import Domain
from orchestrator.task.fewshot import Example

Message = dict[str, str]

SYSTEM = (
    "You maintain Python projects. "
    "You answer briefly, in the form that is asked for, about the code you are shown."
)

_INSTRUCTIONS: dict[Domain, str] = {
    "code_reading": (
        "Which functions, classes and files of the project does this report point to, and what goes wrong? "
        "Answer in two sentences."
    ),
    "bug_analysis": (
        "Where is the fault, why does it happen, and what has to change? "
        "Answer in three sentences, without code."
    ),
    "patch_writing": (
        "Rewrite the following part of {place} so that what is reported no longer happens. "
        "Keep its name, its arguments and its style, and change as little as possible. "
        "Answer with the new code alone.\n\n{region}"
    ),
}

_PREFIXES: dict[Domain, str] = {
    "code_reading": "The report is about `",
    "bug_analysis": "The fault is in `",
    "patch_writing": "```python\n",
}

STOPS: dict[Domain, tuple[str, ...]] = {
    "code_reading": ("\n",),
    "bug_analysis": ("\n\n", "```"),
    "patch_writing": ("```", "\ndef ", "\nclass ", "\n@", "\nif __name__"),
}


@dataclass(frozen=True)
class Rewrite:
    """The place patch_writing rewrites.

    `shown` is the region's code as the prompt shows it, empty when nothing of the repository may be shown;
    `opening` is the region's first line or lines, which the answer is made to begin with.
    """

    place: str
    shown: str
    opening: str


@dataclass(frozen=True)
class NodePrompt:
    """Chat messages and the forced beginning of the answer."""

    messages: tuple[Message, ...]
    prefix: str


def node_prompt(
    node: Domain,
    issue: str,
    *,
    context: str = "",
    finding: str = "",
    rewrite: Rewrite | None = None,
    examples: Sequence[Example] = (),
) -> NodePrompt:
    """Build a node's prompt; `rewrite` is required for patch_writing and used by no other node."""
    messages: list[Message] = [{"role": "system", "content": SYSTEM}]
    for example in examples:
        shown = Rewrite(example.place, example.region, "") if node == "patch_writing" else None
        messages.append({"role": "user", "content": _user(node, example.issue, example.context, "", shown)})
        messages.append({"role": "assistant", "content": example.answer(node)})
    messages.append({"role": "user", "content": _user(node, issue, context, finding, rewrite)})
    prefix = _PREFIXES[node] + (rewrite.opening if rewrite else "")
    return NodePrompt(tuple(messages), prefix)


def _user(node: Domain, issue: str, context: str, finding: str, rewrite: Rewrite | None) -> str:
    instruction = _INSTRUCTIONS[node]
    if rewrite is not None:
        region = f"```python\n{rewrite.shown}\n```" if rewrite.shown else ""
        instruction = instruction.format(place=rewrite.place, region=region).rstrip()
    sections = [("Report", issue), ("Code", context), ("Finding", finding), ("Task", instruction)]
    return "\n\n".join(f"# {title}\n{body.strip()}" for title, body in sections if body.strip())


def first_lines(text: str, budget_tokens: int, count_tokens: Callable[[str], int]) -> str:
    """As many of the first lines as the budget holds, perhaps none."""
    lines = text.splitlines(keepends=True)

    def over(number: int) -> bool:
        return count_tokens("".join(lines[:number])) > budget_tokens

    return (
        "".join(lines[: bisect_left(range(len(lines) + 1), True, key=over) - 1]) if budget_tokens > 0 else ""
    )


def trim_issue(issue: str, budget_tokens: int, count_tokens: Callable[[str], int]) -> str:
    """Leave out the middle of an issue that is longer than the budget.

    The head says what is wrong and the tail often holds the traceback's last line, so two thirds of the
    budget go to the head and one to the tail. The answer has at most `budget_tokens` tokens.
    """
    mark = "\n[…]\n"
    # A token is at least one character, so what lies beyond can never be kept and need not be counted.
    reach = budget_tokens * 16
    if len(issue) <= reach and count_tokens(issue) <= budget_tokens:
        return issue
    kept = min(reach, len(issue) - 1)
    while kept > 1:
        head = kept * 2 // 3
        text = issue[:head].rstrip() + mark + issue[len(issue) - (kept - head) :].lstrip()
        used = count_tokens(text)
        if used <= budget_tokens:
            return text
        kept = min(kept - 1, int(kept * budget_tokens / used))
    return issue[:1]
