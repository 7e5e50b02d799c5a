"""One prompt, answered as the model is and steered towards a domain.

python examples/steer_one_prompt.py ["a prompt"]        ORCHESTRATE_MODEL names another model
"""

import sys

from orchestrator.settings import Settings
from vectors.domains.library import VectorLibrary
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.models.loading import load_model

question = sys.argv[1] if len(sys.argv) > 1 else "Why does slicing past the end of a list not fail?"
settings = Settings()
lm = load_model(settings.model, cache=settings.cache)
vector = VectorLibrary(settings.cache / "vectors").get(
    lm, "bug_analysis"
)  # extracted on first use, then kept
prompt = lm.chat_ids([{"role": "user", "content": question}])

with Engine(lm.model, lm.tokenizer) as engine:
    plain = engine.submit(GenerationRequest(prompt, (), Sampling(48)))
    steered = engine.submit(GenerationRequest(prompt, (vector.intervention(),), Sampling(48)))
    print("unsteered:", plain.result().text)
    print("steered:  ", steered.result().text)
