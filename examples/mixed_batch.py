"""One batch of three rows: unsteered, by one domain's vector, by another's at a layer and strength of ours.

No row sees its neighbours: in float32 its tokens are those that it would have had alone.
"""

import torch

from orchestrator.settings import Settings
from vectors.domains.library import VectorLibrary
from vectors.engine.engine import Engine
from vectors.engine.requests import GenerationRequest
from vectors.engine.sampling import Sampling
from vectors.models.loading import load_model

settings = Settings()
lm = load_model(settings.model, cache=settings.cache, dtype=torch.float32)
library = VectorLibrary(settings.cache / "vectors")
middle = lm.n_layers // 2
steerings = (
    (),
    (library.get(lm, "code_reading").intervention(),),
    (
        library.get(lm, "bug_analysis").intervention(layer=middle, alpha=20.0),
        library.get(lm, "patch_writing").intervention(operation="ablate"),
    ),
)
prompt = lm.chat_ids([{"role": "user", "content": "Name one way in which a loop can go wrong."}])

with Engine(lm.model, lm.tokenizer) as engine:
    requests = [GenerationRequest(prompt, steering, Sampling(32)) for steering in steerings]
    together = [ticket.result().token_ids for ticket in engine.submit_all(requests)]
    alone = [engine.submit(request).result().token_ids for request in requests]

print("the same tokens as alone:", together == alone)
for ids in together:
    print("-", lm.tokenizer.decode(ids, skip_special_tokens=True))
