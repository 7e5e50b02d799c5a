"""What every model node does: ask the policy, build the prompt, generate, and leave a record of all of it."""

import asyncio
import contextvars
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog
from langgraph.runtime import Runtime

from orchestrator.events import Decided, NodeFinished, TaskEvent, Tokens, told
from orchestrator.policy.decisions import Code, Domain, PromptContents, SteeringRecord
from orchestrator.records import NodeRecord
from orchestrator.task.prompts import NodePrompt, first_lines, trim_issue
from orchestrator.task.state import State, Tools
from swebench.running.fault import Fault
from vectors.domains.names import Names
from vectors.domains.resolving import resolved
from vectors.engine.requests import Generation, GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.models.turns import turns_of
from vectors.progress import Progress
from vectors.steering.intervention import Steering, named
from vectors.steering.positions import roles_in
from vectors.steering.reading import positions_of, terms_of
from vectors.steering.text import written

_LEAST_ISSUE_TOKENS = 16

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Question:
    """A prompt, its tokens, and how many of them are code of the repository."""

    prompt: NodePrompt
    prompt_ids: tuple[int, ...]
    retrieved_tokens: int


@dataclass(frozen=True)
class Answer:
    """A model node's generations, in the order of the samplings, and the node's record for the state."""

    generations: tuple[Generation, ...]
    record: NodeRecord


async def ask(
    runtime: Runtime[Tools],
    node: Domain,
    question: Question,
    samplings: Sequence[Sampling],
    *,
    attempt: int = 0,
) -> Answer:
    """Generate once for each sampling, all in one batch, steered as the policy decides.

    The decision, the prompt and the answers are written to the trajectory before this returns.
    """
    tools, started = runtime.context, time.perf_counter()
    prompt, prompt_ids, retrieved_tokens = question.prompt, question.prompt_ids, question.retrieved_tokens
    contents = PromptContents(node, tools.model.name, len(tools.examples), retrieved_tokens)
    steering, steered = await steering_for(runtime, contents)
    runtime.stream_writer(Decided(node=node, steering=steered))
    count_token = _token_counter(runtime, node)
    by_role = any(roles_in(each.positions) for each in steering)
    turns = turns_of(tools.model.chat, prompt.messages) if by_role else ()
    generations = await generated(
        tools,
        [
            GenerationRequest(prompt_ids, steering, sampling, on_token=count_token, turns=turns)
            for sampling in samplings
        ],
    )
    seconds = time.perf_counter() - started
    new_tokens = sum(generation.new_tokens for generation in generations)
    record = NodeRecord(
        name=node,
        attempt=attempt,
        steering=steered,
        examples=len(tools.examples),
        retrieved_tokens=retrieved_tokens,
        prompt_tokens=len(prompt_ids),
        new_tokens=new_tokens,
        seconds=round(seconds, 3),
    )
    tools.artifacts.write_json(
        f"trajectory/{node}-{attempt}.json",
        {
            **record.model_dump(mode="json"),
            "examples_shown": [example.place for example in tools.examples],
            "messages": list(prompt.messages),
            "prefix": prompt.prefix,
            "answers": [
                {"text": generation.text, "finish": generation.finish_reason, "tokens": generation.new_tokens}
                for generation in generations
            ],
        },
    )
    runtime.stream_writer(
        NodeFinished(node=node, seconds=seconds, new_tokens=new_tokens, prompt_tokens=len(prompt_ids))
    )
    return Answer(generations, record)


async def generated(tools: Tools, requests: Sequence[GenerationRequest]) -> tuple[Generation, ...]:
    """The engine's answers; whoever stops waiting for them cancels them all."""
    # All at once: what a batch holds, and so what bfloat16 rounds to, does not hang on when each one arrives.
    tickets = tools.engine.submit_all([replace(request, owner=tools.owner) for request in requests])
    try:
        return tuple([await ticket for ticket in tickets])
    except BaseException:
        for ticket in tickets:
            ticket.cancel()
        raise


async def steering_for(runtime: Runtime[Tools], contents: PromptContents) -> tuple[Steering, SteeringRecord]:
    """What the policy decides for a prompt, as a steering of this model, and the record of it."""
    tools = runtime.context
    decision = tools.policy.decide(contents)
    if decision.vector is None:
        return (), SteeringRecord(applied=False, reason=decision.reason, code=decision.code)
    progress = progress_of(runtime)
    vector = await asyncio.to_thread(tools.vectors.get, tools.model, decision.vector, progress=progress)
    evidence = decision.evidence
    if evidence and evidence.facts.vector_sha256 != vector.sha256:
        return (), SteeringRecord(
            applied=False,
            reason=f"off: the certificate for {decision.vector} is of another vector",
            code=Code.OTHER_VECTOR,
        )
    if tools.config.steer:
        names = Names(tools.vectors, tools.model, progress)
        steering = await asyncio.to_thread(lambda: resolved(terms_of(tools.config.steer), names))
    elif evidence:
        positions = positions_of(evidence.positions)
        at = vector.intervention(evidence.layer, evidence.alpha, evidence.operation, positions)
        steering = (at,)
    else:
        steering = (await asyncio.to_thread(vector.intervention),)  # its dose may have to be measured
    record = SteeringRecord(
        applied=True,
        reason=decision.reason,
        code=decision.code,
        vector=decision.vector,
        steering=written(named(steering)),
        evidence=evidence.facts if evidence else None,
    )
    if len(steering) == 1 and not tools.config.steer:
        (only,) = steering
        record = record.model_copy(
            update={
                "layer": only.layer,
                "alpha": round(only.alpha, 4),
                "relative_alpha": round(vector.relative_alpha(only), 4),
                "mode": only.operation,
                "vector_sha256": vector.sha256,
            }
        )
    return steering, record


def _from_any_thread(runtime: Runtime[Tools]) -> Callable[[TaskEvent], None]:
    """Events are written on the loop's thread; the engine and the extraction run on threads of their own.

    LangGraph finds the run that a writer belongs to in the context variables of the node.
    """
    loop, write, context = asyncio.get_running_loop(), runtime.stream_writer, contextvars.copy_context()

    def tell(event: TaskEvent) -> None:
        loop.call_soon_threadsafe(write, event, context=context)

    return tell


def progress_of(runtime: Runtime[Tools]) -> Progress:
    """A progress callback for the node's own work, to be called on any thread."""
    return told(_from_any_thread(runtime))


def _token_counter(runtime: Runtime[Tools], node: Domain) -> Callable[[str], None]:
    tell, count = _from_any_thread(runtime), itertools.count(1)
    return lambda text: tell(Tokens(node=node, count=next(count), text=text))


def shown_context(state: State, tools: Tools) -> str:
    """The retrieved code a prompt shows; nothing without --rag."""
    return tools.artifacts.read(state["context"]) if state["context"] else ""


def fitted(
    tools: Tools,
    samplings: Sequence[Sampling],
    build: Callable[[str, str], NodePrompt],
    context: str = "",
) -> Question:
    """The prompt that `build` makes of the issue and of retrieved code.

    Where the model's context has no room for it and the answer, code is left out from its end, then the
    middle of the issue. What is too long even so is the engine's to refuse.
    """
    model = tools.model
    room = model.context_length - max(sampling.max_new_tokens for sampling in samplings)
    issue = trim_issue(tools.task.problem_statement, tools.config.issue_tokens, model.count_tokens)
    while True:
        prompt = build(issue, context)
        prompt_ids = model.chat_ids(list(prompt.messages), prefix=prompt.prefix)
        over, shown = len(prompt_ids) - room, model.count_tokens(context) if context else 0
        if over <= 0 or (not context and model.count_tokens(issue) <= _LEAST_ISSUE_TOKENS):
            return Question(prompt, prompt_ids, shown)
        log.warning("prompt cut to the model's context", context_length=model.context_length, over=over)
        if context:
            context = first_lines(context, shown - over, model.count_tokens)
        else:
            left = max(model.count_tokens(issue) - over, _LEAST_ISSUE_TOKENS)
            issue = trim_issue(tools.task.problem_statement, left, model.count_tokens)


def usable_reproduction(tools: Tools) -> Fault | None:
    """What shows the fault when it is run, where the user allows running code and something does."""
    return tools.reproduction if tools.reproduction and tools.reproduction.usable else None
