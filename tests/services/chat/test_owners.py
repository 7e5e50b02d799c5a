"""What one owner sends must not be told to another, by a count or by work that was spared."""

import pytest

from tests.services.conftest import until

MODEL = "tiny-llama"
SYSTEM = "You are the assistant of this company, and you answer in one short and friendly sentence, always."
SECRET = (
    "The merger with the company from Zürich is to be announced on Thursday at noon, not before that hour."
)


@pytest.fixture
def two(serving):
    """Starts a server and gives a function that asks it as one of two owners."""

    def start(**settings):
        live = serving(**settings)
        keys = {name: live.runtime.store.keys.create(name)[1] for name in ("ada", "bob")}

        def ask(name, text, *, system="", steering=None):
            """The tokens of a prompt that came from before, and those that were computed."""
            turns = [{"role": "system", "content": system}] if system else []
            body = {"model": MODEL, "messages": [*turns, {"role": "user", "content": text}], "max_tokens": 1}
            until(lambda: not live.session.engine.stats().running)
            before = live.session.engine.stats().done.computed_tokens
            headers = {"Authorization": f"Bearer {keys[name]}"}
            answer = live.http.post(
                "/v1/chat/completions", json={**body, "steering": steering}, headers=headers
            ).json()
            cached = answer["usage"]["prompt_tokens_details"]["cached_tokens"]
            return cached, live.session.engine.stats().done.computed_tokens - before

        return ask

    return start


def prompt_of(ask, text, **fields):
    """The same as nobody sent it before: how much is computed where nothing is reused."""
    other = text[::-1]
    cached, computed = ask("bob", other, **fields)
    assert cached == 0
    return computed


@pytest.mark.parametrize("steering", [None, {"domain": "bug_analysis"}])
def test_neither_the_count_nor_the_work_tells_an_owner_what_another_has_sent(two, steering):
    ask = two()
    ask("ada", SECRET)
    ask("ada", SECRET, steering=steering)
    guessed = ask("bob", SECRET, steering=steering)
    assert guessed == (0, prompt_of(ask, SECRET, steering=steering))
    cached, computed = ask("bob", SECRET, steering=steering)
    assert cached > 0
    assert computed < guessed[1] / 4


def test_an_operator_with_one_trusted_owner_may_have_all_shared(two):
    ask = two(one_owner=True)
    ask("ada", SECRET)
    assert ask("bob", SECRET)[0] > 0


def test_of_the_operators_own_system_prompts_no_token_more_is_shared(two):
    ask = two(system_prompts=(SYSTEM,))
    ask("ada", SECRET, system=SYSTEM)
    guessed = ask("bob", SECRET, system=SYSTEM)
    assert guessed[0] > 0
    ask("ada", SECRET, system="x" + SYSTEM)
    assert ask("bob", SECRET, system="x" + SYSTEM)[0] == 0
    ask = two(system_prompts=(SYSTEM,))
    ask("ada", SECRET, system=SYSTEM)
    assert ask("bob", SECRET[::-1], system=SYSTEM) == guessed
