"""Steering over HTTP: one intervention or several, as objects or as text, each refused with what is wrong."""

import openai
import pytest

from tests.services.chat.test_chat_api import asked, steered


def answer(client, steering, **fields):
    return client.chat.completions.create(**asked(**fields), extra_body={"steering": steering})


def text(client, steering):
    return answer(client, steering).choices[0].message.content


def test_a_list_does_all_that_it_holds_one_after_the_other(client):
    first, second = steered(1), steered(2)
    both = answer(client, [first, second])
    assert [each["layer"] for each in both.steering] == [1, 2]
    alone = [text(client, each) for each in (first, second, [])]
    assert both.choices[0].message.content not in alone
    assert text(client, [first]) == alone[0]


def test_text_and_object_say_the_same(client):
    said = "40·bug_analysis@1[generated] - 20·ablate(code_reading)@2..3 even when cos(patch_writing)@1 > -0.5"
    objects = [
        {"domain": "bug_analysis", "layer": 1, "alpha": 40.0, "positions": "generated"},
        {
            "domain": "code_reading",
            "layers": "2..3 even",
            "operation": "ablate",
            "alpha": -20.0,
            "when": "cos(patch_writing)@1 > -0.5",
        },
    ]
    as_text, as_objects, mixed = (answer(client, each) for each in (said, objects, [said, objects[1]]))
    assert as_text.choices[0].message.content == as_objects.choices[0].message.content
    assert as_text.steering == as_objects.steering
    assert [(each["layer"], each["alpha"], each["operation"]) for each in as_text.steering] == [
        (1, 40.0, "add"),
        (2, -10.0, "ablate"),
        (3, -10.0, "ablate"),
    ]
    assert [each["conditional"] for each in mixed.steering] == [False, True, True, True, True]


def test_a_strength_may_be_a_share_of_the_norm_or_a_multiple_of_the_vectors_own(client):
    own, half, share = (
        answer(client, {"domain": "bug_analysis", **strength}).steering[0]["alpha"]
        for strength in ({}, {"dose": 0.5}, {"relative_alpha": 0.5})
    )
    assert half == pytest.approx(own / 2)
    assert answer(client, "50%·bug_analysis").steering[0]["alpha"] == share


def test_steering_by_roles_goes_by_the_turns_of_the_conversation(client):
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
    said = {"domain": "bug_analysis", "alpha": 60.0, "layer": 0}
    answers = {
        where: answer(client, {**said, "positions": where}, messages=turns).choices[0].message.content
        for where in ("system", "user", "system | user", "all")
    }
    assert len(set(answers.values())) > 1
    with pytest.raises(openai.BadRequestError, match="touch no token"):
        answer(client, {**said, "positions": "system"})


@pytest.mark.parametrize(
    ("steering", "why"),
    [
        ("bug_analysis@", "cannot be read at its end"),
        ("bug_analysis@99", "layer 99 does not exist"),
        ("bug_analysis@1 when code_reading@3 > 0", "cannot hang on a reading after block 3"),
        ("bug_analysis@1 when code_reading@99 > 0", "layer 99"),
        ("unheard_of@1", "there is no vector"),
        ('"/etc/passwd.safetensors"@1', "there is no vector"),
        ("low_rank(bug_analysis)@1", "keeps no edits of low rank"),
        ("feature(bug_analysis)@1", "sparse autoencoder"),
        ("1e9·bug_analysis", "at most"),
        ("bug_analysis@0..300", "256 interventions"),
        (["bug_analysis@0..3"] * 65, "64"),
        (["bug_analysis@0..99"] * 3, "does not exist"),
        ({"domain": "bug_analysis", "layer": 1, "layers": "2"}, "only one of layer, layers"),
        ({"domain": "bug_analysis", "alpha": 1.0, "dose": 2.0}, "only one of alpha, relative_alpha, dose"),
        ({"domain": "bug_analysis", "when": "soon"}, "condition 'soon' cannot be read"),
        ({"domain": "bug_analysis", "layers": "3..1"}, "the lower one first"),
        ({"domain": "bug_analysis", "operation": "low_rank"}, "expected add or multiply"),
        (7, "steering"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(client, steering, why):
    with pytest.raises(openai.APIStatusError) as caught:
        answer(client, steering)
    assert caught.value.status_code in (400, 404)
    assert why in caught.value.body["message"]
