"""Chat templates and tokenizers give what transformers gives, on conversations and texts of any kind."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateError
from transformers import PreTrainedTokenizerFast

from tests.vectors import folders, tiny
from vectors.models.templates import render
from vectors.models.tokenizer import Tokenizer

BLOCKS = """
{%- if messages[0]['role'] == 'system' %}
    {%- set offset = 1 %}
{%- else %}
    {%- set offset = 0 %}
{%- endif %}
{% for message in messages[offset:] %}
    {% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('roles must alternate user/assistant') }}
    {% endif %}
    {{- '[' + message['role'] + '] ' + message['content'] | trim }}
    {%- if loop.last %}{{ eos_token }}{% endif %}
{% endfor %}
{% if add_generation_prompt %}[assistant]{% endif %}
"""
GENERATION = (
    "{% set seen = 0 %}{% for m in messages %}{% if m.role == 'user' %}{% generation %}{% set seen = 1 %}"
    "{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{{ seen }}{% endfor %}"
)
TEMPLATES = {
    "ChatML": folders.CHATML,
    "indented blocks, alternating roles": BLOCKS,
    "marked generations": GENERATION,
    "a date": "{{ strftime_now('%Y-%m-%d') | length }}{{ messages | length }}{{ bos_token }}",
    "JSON": "{% for m in messages %}{{ m | tojson }}{{ m | tojson(indent=2) }}{% endfor %}",
    "loop controls": (
        "{% for m in messages %}{% if loop.index > 2 %}{% break %}{% endif %}{{ m.content }};{% endfor %}"
    ),
    "namespaces and dictionaries": (
        "{% set ns = namespace(found='none') %}{% for m in messages %}{% if m.role == 'system' %}"
        "{% set ns.found = dict(text=m.content).text %}{% endif %}{% endfor %}{{ ns.found }}"
    ),
    "tools that are not there": "{% if tools is not none %}tools{% endif %}{{ messages[-1].content }}",
    "thinking": "{% if enable_thinking is defined and not enable_thinking %}off{% endif %}",
}
HOSTILE = (
    "{{ messages.__class__.__mro__ }}",
    "{{ messages.append('more') }}",
    "{% set ns = namespace() %}{% set ns.__class__ = 1 %}",
    "{{ raise_exception('no') }}",
    "{{ messages[",
)

roles = st.sampled_from(["system", "user", "assistant", "tool"])
texts = st.text(st.characters(codec="utf-8"), max_size=60)
conversations = st.lists(st.fixed_dictionaries({"role": roles, "content": texts}), min_size=1, max_size=5)


def by_transformers(template, messages, answer):
    return folders.transformers_tokenizer(template).apply_chat_template(
        messages, add_generation_prompt=answer, tokenize=False, enable_thinking=False
    )


def outcome(function, *args):
    """The text, or that the template refused."""
    try:
        return function(*args)
    except TemplateError as error:
        return type(error), str(error)


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_a_conversation_reads_as_transformers_writes_it(template):
    special = Tokenizer.of(folders.transformers_tokenizer(template)).special

    def ours(messages, answer):
        return render(template, messages, answer=answer, variables=special)

    @given(conversations, st.booleans())
    def holds(messages, answer):
        theirs = outcome(by_transformers, template, messages, answer)
        assert outcome(ours, messages, answer) == theirs

    holds()


@pytest.mark.parametrize("template", HOSTILE)
def test_a_template_reaches_nothing_of_pythons_own(template):
    messages = [{"role": "user", "content": "hi"}]
    with pytest.raises(TemplateError):
        render(template, messages, answer=True, variables={})
    with pytest.raises(TemplateError):
        by_transformers(template, messages, True)


@pytest.mark.real_model
def test_the_embedded_tokenizer_encodes_and_decodes_as_transformers_does(embedded_folder):
    ours, theirs = Tokenizer.read(embedded_folder), PreTrainedTokenizerFast.from_pretrained(embedded_folder)
    assert ours.backend.to_str() == theirs.backend_tokenizer.to_str()
    assert ours.special == theirs.special_tokens_map
    assert ours.chat_template == theirs.chat_template
    assert (len(ours), ours.special_ids) == (len(theirs), frozenset(theirs.all_special_ids))

    @given(texts, st.lists(st.integers(0, len(ours) - 1), max_size=20), st.booleans())
    def holds(text, ids, skip):
        assert ours.encode(text) == theirs.encode(text, add_special_tokens=False)
        options = {"skip_special_tokens": skip, "clean_up_tokenization_spaces": False}
        assert ours.decode(ids, skip_special_tokens=skip) == theirs.decode(ids, **options)
        assert ours.tokens(ids) == theirs.convert_ids_to_tokens(ids)

    holds()


def test_a_folder_is_read_as_transformers_reads_it(tmp_path):
    folders.transformers_tokenizer(folders.CHATML).save_pretrained(tmp_path)
    ours, theirs = Tokenizer.read(tmp_path), Tokenizer.by_transformers(tmp_path)
    assert ours.backend.to_str() == theirs.backend.to_str()
    assert (ours.special, ours.chat_template) == (theirs.special, theirs.chat_template)
    assert (ours.eos_token_id, ours.pad_token_id, ours.bos_token_id) == (tiny.EOS, tiny.PAD, None)


SEVERAL = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": folders.CHATML}]


@pytest.mark.parametrize(
    ("in_config", "used"),
    [
        (SEVERAL, folders.CHATML),
        ({each["name"]: each["template"] for each in SEVERAL}, folders.CHATML),
        (SEVERAL[:1], "tools"),
        ([], None),
        ([{"name": "default"}, "no entry"], None),
    ],
    ids=["a list", "a table", "none called default", "an empty list", "no templates"],
)
def test_of_several_chat_templates_the_one_called_default_is_used(tmp_path, in_config, used):
    folders.transformers_tokenizer().save_pretrained(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": in_config}))
    assert Tokenizer.read(tmp_path).chat_template == used


def test_a_template_in_a_file_of_its_own_comes_before_all_others(tmp_path):
    folders.transformers_tokenizer(folders.CHATML).save_pretrained(tmp_path)
    (tmp_path / "additional_chat_templates").mkdir()
    (tmp_path / "additional_chat_templates" / "tool_use.jinja").write_text("tools")
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": "older"}))
    assert Tokenizer.read(tmp_path).chat_template == folders.CHATML
    (tmp_path / "chat_template.jinja").unlink()
    assert Tokenizer.read(tmp_path).chat_template == "older"


@pytest.mark.parametrize("name", ["add_bos_token", "eos_token"])
def test_a_config_that_adds_to_the_tokenizer_is_left_to_transformers(tmp_path, name):
    folders.transformers_tokenizer().save_pretrained(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    changed = {"add_bos_token": True} if name == "add_bos_token" else {"eos_token": "<not in the vocabulary>"}
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    assert Tokenizer.read(tmp_path) is None


def test_the_end_of_a_text_fills_rows_up_where_no_token_is_named_for_it():
    whole = tiny.byte_tokenizer()
    assert whole.without("pad_token").pad_token_id == whole.eos_token_id
    assert whole.without("eos_token").eos_token_id is None
