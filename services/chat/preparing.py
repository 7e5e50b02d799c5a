"""From a request's body to what the engine is asked, checked against the model."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from services.chat.calling import ON_ONE_LINE, Calling
from services.chat.readings import MOST_STATES, Watched
from services.chat.sampled import Completed, Sampled
from services.chat.schemas import ChatMessage, ChatRequest, JsonObject, JsonSchema
from services.chat.text_requests import TextRequest
from services.chat.tools import Tool
from services.errors import Invalid, NotFound
from services.serving.exchange import Served
from services.serving.steering import positions_in
from services.settings import ServeSettings
from vectors.engine.budget import Budget
from vectors.engine.constraint import Constraint
from vectors.engine.readings import StatesWanted
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.errors import InvalidRequest, VectorFileError
from vectors.models.loading import LanguageModel
from vectors.models.tools import Message
from vectors.models.turns import turns_of
from vectors.steering.positions import Last, Turn, roles_in
from vectors.steering.reading import positions_of

DEFAULT_ANSWER_TOKENS = 512
DEFAULT_TEXT_TOKENS = 16
MOST_TOLD_APART = 256
_MOST_CHARS_PER_TOKEN = 16
"""A prompt with more characters than this for each token that is allowed is not even tokenized."""


@dataclass(frozen=True)
class Prepared:
    """What the engine is asked for a chat, how calls are read out of the answer, what else is told of it."""

    request: GenerationRequest
    calling: Calling | None
    watched: Watched


def prepare(served: Served, settings: ServeSettings, owner: str, asked: ChatRequest) -> Prepared:
    """Check a chat against the model and the longest prompt. Blocks; raises Invalid, NotFound."""
    lm = model_of(served, asked.model)
    prompt_ids = ids_of_turns(lm, settings, asked.messages, asked.offered)
    calling = Calling.of(asked, lm.chat.call_form, knows_tools=lm.chat.knows_tools)
    new = _room(lm, settings, "messages", len(prompt_ids), asked.answer_tokens, DEFAULT_ANSWER_TOKENS)
    sampling = Sampling(
        max_new_tokens=new,
        logprobs=asked.logprobs,
        top_logprobs=asked.top_logprobs,
        stop=(*(asked.stop or ()), *lm.chat.stops),
        constraint=calling.constraint() if calling else _constraint(asked, asked.response_format),
    )
    request = _request(served, settings, owner, asked, prompt_ids, sampling)
    first = asked.messages[0]
    public = first.role in ("system", "developer") and first.content in settings.system_prompts
    shared = _system_tokens(lm, _turn(first), prompt_ids) if public else 0
    request = replace(
        request,
        public_tokens=shared,
        turns=_turns(lm, asked),
        probes=tuple(served.vectors.probe(owner, each) for each in asked.probes),
        reads_prompt=asked.reads_prompt,
        divergence=asked.divergence,
        states=_states(lm, asked, len(prompt_ids) + new),
    )
    return Prepared(request, calling, asked)


def prepare_texts(
    served: Served, settings: ServeSettings, owner: str, asked: TextRequest
) -> list[GenerationRequest]:
    """Check the prompts as `prepare` does, a request for each. One that is echoed follows its own tokens."""
    lm = model_of(served, asked.model)
    requests = []
    for prompt in asked.prompts:
        ids = ids_of_text(lm, settings, prompt) if isinstance(prompt, str) else tuple(prompt)
        new = _room(lm, settings, "prompt", len(ids), asked.max_tokens, DEFAULT_TEXT_TOKENS)
        followed = ids[1:] if asked.echo else ()
        sampling = Sampling(
            max_new_tokens=len(followed) + new,
            logprobs=asked.logprobs is not None,
            top_logprobs=asked.logprobs or 0,
            stop=tuple(asked.stop or ()),
            forced_ids=followed,
            constraint=_constraint(asked, None),
        )
        requests.append(_request(served, settings, owner, asked, ids[: len(ids) - len(followed)], sampling))
    return requests


def seeded(request: GenerationRequest, n: int) -> list[GenerationRequest]:
    """The request so many times, each with the seed after the one before."""
    sampling = request.sampling
    return [replace(request, sampling=replace(sampling, seed=sampling.seed + number)) for number in range(n)]


def model_of(served: Served, asked: str) -> LanguageModel:
    """The model in memory. Raises NotFound where another is asked for."""
    if asked != served.name:
        raise NotFound(f"model {asked[:100]!r} is not in memory here: ask for {served.name!r}")
    return served.lm


def ids_of_turns(
    lm: LanguageModel,
    settings: ServeSettings,
    messages: Sequence[ChatMessage],
    tools: Sequence[Tool] = (),
) -> tuple[int, ...]:
    """The prompt of a conversation. Raises Invalid."""
    shown = [tool.shown() for tool in tools]
    said = [message.content for message in messages] + [json.dumps(each) for each in shown]
    said += [call.function.arguments for message in messages for call in message.tool_calls]
    _not_too_long("messages", sum(map(len, said)), settings)
    try:
        return lm.chat_ids([_turn(message) for message in messages], tools=shown)
    except InvalidRequest as error:
        raise Invalid(str(error)) from None


def ids_of_text(
    lm: LanguageModel, settings: ServeSettings, text: str, *, begins: bool = True
) -> tuple[int, ...]:
    """The tokens of a text, special ones as it spells them, and the one that begins a sequence where the
    model wants it and nothing comes before. Raises Invalid.
    """
    _not_too_long("prompt", len(text), settings)
    ids, begin = lm.tokenizer.encode(text), lm.encode("", begins=begins)
    return tuple(ids if ids[: len(begin)] == begin else [*begin, *ids])


def _turns(lm: LanguageModel, asked: ChatRequest) -> tuple[Turn, ...]:
    """Where the turns are, if it matters to what is steered or kept. Raises Invalid for too many."""
    kept = [positions_of(asked.hidden_states.positions)] if asked.hidden_states else []
    if not any(map(roles_in, [*positions_in(asked.steering), *kept])):
        return ()
    if len(asked.messages) > MOST_TOLD_APART:  # each is looked for in the whole conversation
        raise Invalid(
            f"positions by role are taken in conversations of up to {MOST_TOLD_APART} turns, "
            f"not {len(asked.messages)}; leave some out, or the roles"
        )
    offered = [tool.shown() for tool in asked.offered]
    return turns_of(lm.chat, [_turn(message) for message in asked.messages], offered)


def _states(lm: LanguageModel, asked: ChatRequest, places: int) -> StatesWanted | None:
    """What hidden states are wanted. Raises Invalid for layers that do not exist, and for too much."""
    if asked.hidden_states is None:
        return None
    layers, positions = asked.hidden_states.layers, positions_of(asked.hidden_states.positions)
    if max(layers) >= lm.n_layers:
        raise Invalid(f"hidden_states: layer {max(layers)} does not exist: expected 0 to {lm.n_layers - 1}")
    few = 1 if positions == Last() else places
    if few * len({*layers}) * lm.d_model > MOST_STATES:
        raise Invalid(
            f"hidden_states: {few} places of {len({*layers})} layers may be more than {MOST_STATES} numbers; "
            "ask for fewer layers, positions or new tokens"
        )
    return StatesWanted(tuple({*layers}), positions)


def _not_too_long(field: str, characters: int, settings: ServeSettings) -> None:
    limit = settings.prompt_tokens
    if characters > limit * _MOST_CHARS_PER_TOKEN:
        raise Invalid(f"{field}: longer than {limit} tokens can be; shorten it")


def _turn(message: ChatMessage) -> Message:
    """A turn as the model's template knows it."""
    role = "system" if message.role == "developer" else message.role
    turn: dict[str, object] = {"role": role, "content": message.content}
    if message.tool_calls:
        turn["tool_calls"] = [call.model_dump(exclude={"index"}) for call in message.tool_calls]
    return turn | ({"tool_call_id": message.tool_call_id} if role == "tool" else {})


def _room(
    lm: LanguageModel, settings: ServeSettings, field: str, prompt: int, asked: int | None, usual: int
) -> int:
    """How many new tokens there may be after a prompt of so many."""
    room = lm.context_length - prompt
    if not 1 <= prompt <= settings.prompt_tokens or room < 1:
        raise Invalid(
            f"{field}: the prompt has {prompt} tokens, "
            f"1 to {min(settings.prompt_tokens, lm.context_length - 1)} are taken"
        )
    if (asked or 1) > room:
        raise Invalid(
            f"max_tokens: {asked} new tokens and a prompt of {prompt} exceed the model's context of "
            f"{lm.context_length}"
        )
    return asked or min(usual, room)


def _request(
    served: Served,
    settings: ServeSettings,
    owner: str,
    asked: Completed,
    prompt_ids: tuple[int, ...],
    sampling: Sampling,
) -> GenerationRequest:
    steering = served.vectors.steering(owner, asked.steering)
    try:
        sampling = replace(
            sampling,
            temperature=asked.temperature,
            top_p=asked.top_p,
            seed=secrets.randbits(31) if asked.seed is None else asked.seed,
            frequency_penalty=asked.frequency_penalty,
            presence_penalty=asked.presence_penalty,
            logit_bias=tuple((int(token), bias) for token, bias in asked.logit_bias.items()),
            budget=_budget(served, asked, len(sampling.forced_ids)),
        )
    except (InvalidRequest, VectorFileError) as error:
        raise Invalid(str(error)) from None
    return GenerationRequest(prompt_ids, steering, sampling, owner=settings.sharing(owner))


def _budget(served: Served, asked: Sampled, before: int) -> Budget | None:
    """The budget of an answer, before which so many tokens are given."""
    return Budget(asked.budget + before, served.session.length_head) if asked.budget else None


def _constraint(asked: Sampled, form: object) -> Constraint | None:
    """What the answer has to be."""
    if asked.regex is not None:
        return Constraint("regex", asked.regex)
    if asked.grammar is not None:
        return Constraint("lark", asked.grammar)
    match form:
        case JsonObject():
            return Constraint("json_schema", json.dumps({"type": "object", **ON_ONE_LINE}))
        case JsonSchema(json_schema=named):
            return Constraint("json_schema", json.dumps({**ON_ONE_LINE, **named.schema_}))
        case _:
            return None


def _system_tokens(lm: LanguageModel, system: Message, prompt_ids: tuple[int, ...]) -> int:
    """How many of a prompt's first tokens say nothing but that it begins with this system turn."""
    others = [lm.chat_ids([system, {"role": "user", "content": text}]) for text in ("a", "b")]
    alike = takewhile(lambda tokens: len(set(tokens)) == 1, zip(prompt_ids, *others, strict=False))
    return len(list(alike))
