"""The tool that answers a conversation, steered or not."""

import anyio.to_thread

from services.chat import answers
from services.chat.choices import begun
from services.chat.generate import Token
from services.chat.preparing import prepare, seeded
from services.chat.schemas import ChatRequest
from services.mcp.calls import Call
from services.mcp.tool import Tool


class Conversation(ChatRequest):
    """A chat with the model in memory, which need not be named."""

    model: str = ""


async def _chat(call: Call, asked: Conversation) -> answers.ChatCompletion:
    served, settings = await call.model(), call.runtime.settings
    named = asked.model_copy(update={"model": served.name})
    prepared = await anyio.to_thread.run_sync(prepare, served, settings, call.owner, named)
    stamp = answers.Stamp(served.name, served.lm.digest, served.lm.tokenizer)
    tokens: list[Token] = []
    async with begun(call.runtime, served, call.owner, seeded(prepared.request, 1)) as held:
        async for _, come in held.choices.tokens():
            tokens += come or ()
            if come:
                said = "".join(token.piece for token in come)
                await call.tell(said, len(tokens), prepared.request.sampling.max_new_tokens)
        return answers.whole(stamp, prepared, {0: tokens}, held.choices.generations)


CHAT = Tool(
    "chat",
    "Ask the small model in memory. `steering` moves its residual stream by a domain's vector (code_reading, "
    "bug_analysis, …) at a layer, with a strength α, or by a vector of your own. Progress carries the text "
    "as it is written; the answer is the document of /v1/chat/completions.",
    Conversation,
    answers.ChatCompletion,
    _chat,
    limit_s=900,
    taken=("messages", "steering", "max_tokens", "temperature", "top_p", "stop", "seed"),
)
