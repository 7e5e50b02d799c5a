"""Generations that must match a choice, a regular expression, a JSON schema or a grammar."""

import json
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.vectors import tiny
from tests.vectors.engine.batches import oracle_logits, run
from vectors.engine.constraint import Constraint, ConstraintCompiler
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.errors import InvalidRequest

PROMPT = tiny.prompt(3, 12)
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"enum": ["left", "right"]},
        "n": {"type": "integer", "minimum": 1, "maximum": 40},
    },
    "required": ["name", "n"],
    "additionalProperties": False,
}
SUM = 'start: term ("+" term)*\nterm: /[0-9]{1,2}/ | "(" start ")"'
COMPILER = ConstraintCompiler(tiny.byte_tokenizer(), tiny.VOCAB, [tiny.EOS])


def generate(engine, constraint, **settings):
    sampling = Sampling(**{"max_new_tokens": 60, "constraint": constraint, **settings})
    return run(engine, GenerationRequest(PROMPT, (), sampling))[0]


def allowed(constrained):
    return set(constrained.allowed().nonzero().flatten().tolist())


# --- what comes out matches, greedy and sampled, beside rows without


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_every_row_matches_its_own_constraint_and_a_free_one_beside_them_is_as_it_is_alone(
    engine, temperature
):
    constraints = [
        Constraint.choice("yes", "no", "yesterday"),
        Constraint("regex", r"[a-f]{3}-\d{2,4}(é|ü)"),
        Constraint("json_schema", json.dumps(SCHEMA)),
        Constraint("lark", SUM),
        (),
    ]
    requests = [
        GenerationRequest(
            PROMPT, (), Sampling(60, temperature=temperature, top_p=0.95, seed=seed, constraint=constraint)
        )
        for seed, constraint in enumerate(constraints)
    ]
    together = run(engine, *requests)
    for request, generation in zip(requests, together, strict=True):
        assert run(engine, request)[0].token_ids == generation.token_ids
    choice, regex, schema, _, _ = (generation.text for generation in together)
    assert choice in ("yes", "no", "yesterday")
    assert re.fullmatch(r"[a-f]{3}-\d{2,4}(é|ü)", regex)
    assert together[0].finish_reason == together[1].finish_reason == "stop"
    if together[2].finish_reason == "stop":  # white space between the parts may go on for ever
        found = json.loads(schema)
        assert found["name"] in ("left", "right") and 1 <= found["n"] <= 40


def test_the_constrained_token_is_the_likeliest_of_those_allowed(qwen3, engine):
    logits = oracle_logits(qwen3, PROMPT)[-1]
    letters = b"kqxz"
    generation = generate(engine, Constraint.choice(*(chr(letter) for letter in letters)))
    assert generation.token_ids[0] == max(letters, key=lambda letter: float(logits[letter]))
    assert generation.token_ids[1:] == (tiny.EOS,)
    assert (generation.text, generation.finish_reason) == (chr(generation.token_ids[0]), "stop")


@given(
    st.lists(st.text("ab\"\\/\n\t {}[]%é😀'", min_size=1, max_size=6), min_size=1, max_size=4, unique=True)
)
def test_a_choice_allows_exactly_its_texts_whatever_is_in_them(choices):
    texts = [choice.encode() for choice in choices]

    def walk(written):
        constrained = COMPILER.compile(Constraint.choice(*choices))
        for byte in written:
            constrained.accept(byte)
        follow = {text[len(written)] for text in texts if text.startswith(written) and text != written}
        ends = {tiny.EOS} if written in texts else set()
        assert allowed(constrained) == follow | ends

    for text in texts:
        for length in range(len(text) + 1):
            walk(text[:length])


@given(st.text("0123456789+()", max_size=8))
def test_a_grammar_accepts_what_its_rules_derive_and_nothing_else(text):
    def derives(expression):
        """The grammar once more, by hand: substitute terms until one is left."""
        before = None
        while before != expression:
            before = expression
            expression = re.sub(r"\(t(\+t)*\)", "t", re.sub(r"(?<![\d])\d{1,2}(?![\d])", "t", expression))
        return re.fullmatch(r"t(\+t)*", expression) is not None

    constrained = COMPILER.compile(Constraint("lark", SUM))
    for byte in text.encode():
        if byte not in allowed(constrained):
            assert not derives(text)
            return
        constrained.accept(byte)
    assert (tiny.EOS in allowed(constrained)) == derives(text)


def test_a_text_may_end_with_whatever_ends_a_generation_but_nowhere_else():
    constrained = ConstraintCompiler(tiny.byte_tokenizer(), tiny.VOCAB, [tiny.EOS, tiny.PAD]).compile(
        Constraint("regex", "ab?")
    )
    assert allowed(constrained) == {ord("a")}
    constrained.accept(ord("a"))
    assert allowed(constrained) == {ord("b"), tiny.EOS, tiny.PAD}
    constrained.accept(ord("b"))
    assert allowed(constrained) == {tiny.EOS, tiny.PAD}


# --- together with other settings


def test_a_stop_string_ends_a_text_that_its_constraint_would_let_go_on(engine):
    generation = generate(engine, Constraint("regex", "(ab)+c"), stop=("bab",))
    assert generation.text in ("a", "abc")
    assert generation.finish_reason == "stop"


def test_the_constraint_goes_on_from_the_tokens_to_follow(engine):
    constraint = Constraint.choice("left", "lean", "right")
    generation = generate(engine, constraint, forced_ids=tuple(b"le"))
    assert generation.text in ("left", "lean")
    other = generate(engine, constraint, forced_ids=tuple(b"le"), banned_id=generation.token_ids[2])
    assert {generation.text, other.text} == {"left", "lean"}


def test_the_constraint_ends_at_the_last_token_that_there_is_room_for(engine):
    generation = generate(engine, Constraint("regex", "[ab]{30}"), max_new_tokens=7)
    assert re.fullmatch("[ab]{7}", generation.text)
    assert generation.finish_reason == "length"


def test_scores_are_those_of_the_model_without_the_constraint(qwen3, engine):
    generation = generate(engine, Constraint("regex", "[0-9]{5}"), logprobs=True)
    ids = [*PROMPT, *generation.token_ids]
    wanted = torch.log_softmax(oracle_logits(qwen3, ids), dim=-1)[len(PROMPT) - 1 : -1]
    picked = wanted.gather(1, torch.tensor(generation.token_ids).unsqueeze(1)).flatten()
    torch.testing.assert_close(torch.tensor(generation.logprobs), picked, atol=1e-4, rtol=0)


def test_tokens_to_follow_that_break_the_constraint_fail_their_row_alone_in_one_line(engine):
    follow = GenerationRequest(
        PROMPT, (), Sampling(8, forced_ids=tuple(b"lx"), constraint=Constraint.choice("left"))
    )
    free = GenerationRequest(PROMPT, (), Sampling(8))
    broken, well = engine.submit_all([follow, free])
    with pytest.raises(InvalidRequest, match=f"token {ord('x')} does not fit") as caught:
        broken.result(60)
    assert "\n" not in str(caught.value)
    assert well.result(60).token_ids == run(engine, free)[0].token_ids


def test_a_constraint_that_leaves_only_the_avoided_token_fails_its_row(engine):
    with pytest.raises(Exception, match="token 1"):
        generate(engine, Constraint.choice("a"), banned_id=ord("a"))


# --- what is refused


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        (Constraint("regex", "(("), "unclosed group"),
        (Constraint("regex", "(?=a)b"), "look-around"),
        (Constraint("json_schema", "{"), "refused"),
        (Constraint("json_schema", '{"type": "nonsense"}'), "nonsense"),
        (Constraint("json_schema", "[]"), "must be an object"),
        (Constraint("lark", 'begin: "a"'), "no start"),
        (Constraint("lark", "start: x"), "unknown name"),
    ],
)
def test_a_constraint_that_cannot_be_read_is_refused_at_once_in_one_line(engine, constraint, message):
    with pytest.raises(InvalidRequest, match=message) as caught:
        engine.submit(GenerationRequest(PROMPT, (), Sampling(4, constraint=constraint)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("choices", [(), ("a", "")])
def test_a_choice_of_nothing_is_refused(choices):
    with pytest.raises(InvalidRequest, match="choice"):
        Constraint.choice(*choices)


# --- the real tokenizer, whose tokens hold several characters


@pytest.mark.real_model
def test_the_embedded_model_writes_what_the_constraint_demands(smollm2):
    chat = smollm2.chat_ids([{"role": "user", "content": "Is 7 an even number? Give a name and a number."}])
    constraints = [
        Constraint.choice("Yes, it is.", "No, it is not."),
        Constraint("json_schema", json.dumps(SCHEMA)),
        Constraint("regex", r"def [a-z_]{3,12}\(n\):\n    return n % 2 == [01]\n"),
    ]
    with Engine(smollm2.model, smollm2.tokenizer) as engine:
        tickets = [
            engine.submit(GenerationRequest(chat, (), Sampling(48, constraint=constraint)))
            for constraint in constraints
        ]
        choice, schema, code = (ticket.result(250) for ticket in tickets)
    assert choice.text in ("Yes, it is.", "No, it is not.")
    assert json.loads(schema.text)["name"] in ("left", "right")
    assert re.fullmatch(r"def [a-z_]{3,12}\(n\):\n    return n % 2 == [01]\n", code.text)
    assert {each.finish_reason for each in (choice, schema, code)} == {"stop"}
