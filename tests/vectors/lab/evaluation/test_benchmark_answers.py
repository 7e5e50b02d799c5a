"""What counts as an answer: lm-eval's values; `tests.lab.extraction` asks its own filters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.outputs import outputs
from vectors.lab.evaluation.gsm8k import (
    EXAMPLES,
    NO_ANSWER,
    SHOTS,
    correct,
    flexible,
    originally,
    prompt_ids,
    stops,
    strict,
)
from vectors.lab.evaluation.mmlu_pro import (
    Question,
    chosen,
    letter_ids,
    reasoning_ids,
)

TEXTS = [
    # output, strict in few-shot, strict in chain of thought, flexible, the original's rule
    ("It is 18.\n#### 18", "18", NO_ANSWER, "18", "18"),
    ("#### 5 and #### 6", "5", NO_ANSWER, "6", "5"),
    ("#### 1,234.", "1,234.", NO_ANSWER, "1,234.", "1,234"),
    ("The answer is 42.", NO_ANSWER, "42", "42.", "42"),
    ("The answer is 42", NO_ANSWER, "4", "42", "42"),
    ("the answer is 7", NO_ANSWER, NO_ANSWER, "7", "7"),
    ("She pays $3.50 in all.", NO_ANSWER, NO_ANSWER, "$3.50", "50"),
    ("a loss of -5 dollars", NO_ANSWER, NO_ANSWER, "-5", "-5"),
    ("two apples...", NO_ANSWER, NO_ANSWER, "...", NO_ANSWER),
    ("no number", NO_ANSWER, NO_ANSWER, NO_ANSWER, NO_ANSWER),
    ("", NO_ANSWER, NO_ANSWER, NO_ANSWER, NO_ANSWER),
    ("####18", NO_ANSWER, NO_ANSWER, "18", "18"),
]


@pytest.mark.parametrize(("text", "hashes", "sentence", "last", "original"), TEXTS)
def test_an_answer_is_read_as_the_harness_and_the_original_read_it(text, hashes, sentence, last, original):
    assert strict("few-shot-5", text) == strict("zero-shot", text) == hashes
    assert strict("cot", text) == sentence
    assert flexible(text) == last
    assert originally(text) == original


@pytest.mark.parametrize(
    ("extracted", "answer", "right"),
    [
        ("18", "9 * 2 = 18\n#### 18", True),
        ("$1,800.", "#### 1,800", True),
        ("18.0", "#### 18", False),
        ("-5", "#### 5", False),
        (NO_ANSWER, "#### 5", False),
        ("#### 5", "#### 5", True),
    ],
)
def test_numbers_are_compared_without_dollars_commas_and_a_last_point(extracted, answer, right):
    assert correct(extracted, answer) == right


def test_each_of_our_examples_answers_itself_in_both_forms():
    assert len(EXAMPLES) == max(SHOTS.values())
    for each in EXAMPLES:
        assert correct(strict("few-shot-5", each.answer), each.answer)
        assert correct(flexible(each.answer), each.answer)


@given(st.text())
def test_any_text_can_be_read(text):
    for read in (lambda t: strict("cot", t), lambda t: strict("zero-shot", t), flexible, originally):
        assert read(text)


def test_the_300_outputs_are_the_same_each_time_and_of_many_kinds():
    texts = outputs()
    assert texts == outputs()
    assert len(texts) == 300
    assert 50 < sum(strict("few-shot-5", text) == NO_ANSWER for text in texts) < 280
    assert sum(strict("cot", text) != NO_ANSWER for text in texts) > 10
    assert sum(bool(chosen(text)) for text in texts) > 10


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("so the answer is (B).", "B"),
        ("The answer is J", "J"),
        ("answer is (A). No, the answer is (C).", "A"),
        ("The answer: B", ""),
        ("the answer is (K)", ""),
        ("", ""),
    ],
)
def test_the_first_letter_that_is_said_to_be_the_answer_is_the_choice(text, letter):
    assert chosen(text) == letter


@given(st.lists(st.text(min_size=1), min_size=1, max_size=10, unique=True), st.data())
def test_a_rotation_moves_the_right_answer_with_its_option(options, data):
    answer = data.draw(st.integers(0, len(options) - 1))
    by = data.draw(st.integers(0, len(options) - 1))
    asked = Question("law", "Which?", tuple(options), answer)
    turned = asked.rotated(by)
    assert turned.options[turned.answer] == options[answer]
    assert turned.rotated(len(options) - by if by else 0) == asked


@pytest.mark.real_model
def test_a_model_with_a_template_is_asked_in_turns_that_hold_the_examples(smollm2):
    text = smollm2.tokenizer.decode(prompt_ids(smollm2, "few-shot-3", "How many?", EXAMPLES))
    assert text.count("<|im_start|>assistant") == 4
    assert text.endswith("Question: How many?\nAnswer:<|im_end|>\n<|im_start|>assistant\n")
    assert smollm2.tokenizer.decode(prompt_ids(smollm2, "cot", "How many?", ())).endswith("step by step.")


@pytest.mark.real_model
def test_a_model_without_one_is_asked_in_the_text_of_the_harness(smollm2):
    from dataclasses import replace

    bare = replace(smollm2, tokenizer=replace(smollm2.tokenizer, chat_template=None))
    shown = EXAMPLES[:3]
    want = "".join(f"Question: {each.question}\nAnswer: {each.answer}\n\n" for each in shown)
    text = bare.tokenizer.decode(prompt_ids(bare, "few-shot-3", "How many?", EXAMPLES))
    assert text.endswith(f"{want}Question: How many?\nAnswer:")
    cot = bare.tokenizer.decode(prompt_ids(bare, "cot", "How many?", ()))
    assert cot.endswith("Q: How many?\nA: Let's think step by step.")
    assert stops("cot")[0] == "Q:"
    asked = Question("law", "Which?", ("this", " that "), 0)
    assert "Which?\nOptions:\nA. this\nB. that\nAnswer: Let's think step by step." in bare.tokenizer.decode(
        reasoning_ids(bare, asked)
    )


@pytest.mark.real_model
def test_a_letter_has_two_tokens_where_a_space_belongs_to_one_of_them(smollm2):
    both = letter_ids(smollm2)
    assert [smollm2.tokenizer.decode(list(ids[::-1])) for ids in both[:2]] == ["A A", "B B"]
