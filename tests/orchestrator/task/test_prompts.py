"""Prompts share what they can, show what they are told to show, and stay within their budget."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policy.decisions import DOMAINS
from orchestrator.task.fewshot import available
from orchestrator.task.prompts import Rewrite, node_prompt, trim_issue

REWRITE = Rewrite("a.py, function f", "def f():\n    return {1: 2}", "def f():\n")


def words(text: str) -> int:
    return len(text.split())


@given(st.text(max_size=3000), st.integers(2, 60))
def test_a_trimmed_issue_never_exceeds_its_budget(issue, budget):
    def characters(text: str) -> int:
        return len(text)

    trimmed = trim_issue(issue, budget, characters)
    assert characters(trimmed) <= budget
    if characters(issue) <= budget:
        assert trimmed == issue


def test_a_long_issue_keeps_its_head_and_its_last_line():
    issue = "Title of the report\n" + "filler words here\n" * 500 + "ValueError: the last line"
    trimmed = trim_issue(issue, 60, words)
    assert trimmed.startswith("Title of the report")
    assert trimmed.endswith("ValueError: the last line")
    assert "[…]" in trimmed


@given(st.integers(12, 400), st.integers(1, 4000))
def test_of_what_is_kept_of_a_long_issue_two_thirds_are_its_head_and_one_its_tail(budget, more):
    issue = "".join(chr(0x4E00 + n) for n in range(budget + more))
    trimmed = trim_issue(issue, budget, len)
    head, tail = trimmed.split("\n[…]\n")
    assert issue.startswith(head) and issue.endswith(tail)
    assert 0 <= 2 * len(tail) - len(head) <= 2
    assert len(trimmed) >= budget - 2


def test_the_nodes_of_one_task_share_the_prompt_up_to_the_retrieved_code():
    analysis = node_prompt("bug_analysis", "the issue", context="the code", finding="one")
    patch = node_prompt("patch_writing", "the issue", context="the code", finding="two", rewrite=REWRITE)
    shared = "# Report\nthe issue\n\n# Code\nthe code\n\n"
    assert analysis.messages[0] == patch.messages[0]
    assert analysis.messages[1]["content"].startswith(shared)
    assert patch.messages[1]["content"].startswith(shared)


def test_code_with_braces_is_shown_as_it_is():
    prompt = node_prompt("patch_writing", "{issue}", rewrite=REWRITE)
    assert "return {1: 2}" in prompt.messages[-1]["content"]
    assert "{issue}" in prompt.messages[-1]["content"]


def test_a_rewrite_begins_with_the_signature_of_its_region():
    assert node_prompt("patch_writing", "x", rewrite=REWRITE).prefix == "```python\ndef f():\n"


def test_without_shown_code_the_region_is_not_in_the_prompt():
    prompt = node_prompt("patch_writing", "x", rewrite=Rewrite("a.py, function f", "", "def f():\n"))
    assert "```" not in prompt.messages[-1]["content"]


def test_worked_examples_come_as_turns_in_the_nodes_own_form():
    for node in DOMAINS:
        rewrite = REWRITE if node == "patch_writing" else None
        prompt = node_prompt(node, "x", rewrite=rewrite, examples=available()[:2])
        assert [message["role"] for message in prompt.messages] == [
            "system",
            *["user", "assistant"] * 2,
            "user",
        ]
        opening = prompt.prefix.removesuffix(rewrite.opening if rewrite else "")
        assert all(m["content"].startswith(opening) for m in prompt.messages if m["role"] == "assistant")
