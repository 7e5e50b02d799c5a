"""A vector of one's own prompts: what they have in common, against neutral twins of them.

Pairs should differ in nothing but what the vector is for; thirty are better than these four.
"""

from pathlib import Path

from orchestrator.settings import Settings
from vectors.domains.extraction import extract
from vectors.domains.library import save
from vectors.domains.prompt_sets import PromptSet
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.models.loading import load_model

pirates = PromptSet(
    domain="pirates",
    description="speaks as a pirate would",
    keywords=("arr", "matey", "ship"),
    positive=(
        "Arr, tell me where the treasure be, matey!",
        "Ahoy! What be the news from the ship?",
        "Shiver me timbers, why be the sea so rough?",
        "Avast, how do I hoist this sail, ye scallywag?",
    ),
    negative=(
        "Please tell me where the station is.",
        "Hello! What is the news from the office?",
        "I wonder, why is the road so busy?",
        "Excuse me, how do I open this window, please?",
    ),
)

settings = Settings()
lm = load_model(settings.model, cache=settings.cache)
vector = extract(lm, pirates)
save(
    vector, Path("pirates.safetensors")
)  # `orchestrate chat PROMPT --domain pirates.safetensors` steers by it
print(f"default: layer {vector.default_layer} of {lm.n_layers}, α {vector.intervention().alpha:.2f}")

prompt = lm.chat_ids([{"role": "user", "content": "Say hello and tell me about your day."}])
with Engine(lm.model, lm.tokenizer) as engine:
    answer = engine.submit(GenerationRequest(prompt, (vector.intervention(),), Sampling(48))).result()
print(answer.text)
