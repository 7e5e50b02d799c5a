"""OpenAI's own client on `orchestrate serve`: the same question without and with steering, streamed.

python examples/talk_to_server.py [http://localhost:8000]      pip install openai
"""

import sys

from openai import OpenAI

address = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000"
client = OpenAI(base_url=f"{address}/v1", api_key="none")  # or a key of `orchestrate keys create`
model = client.models.list().data[0].id
question = {"role": "user", "content": "What does an off-by-one error do? One sentence."}

for steering in (None, {"domain": "bug_analysis", "alpha": 20.0}):
    print("steered: " if steering else "unsteered: ", end="")
    chunks = client.chat.completions.create(
        model=model,
        messages=[question],
        temperature=0,
        max_tokens=32,
        stream=True,
        extra_body={"steering": steering} if steering else {},
    )
    for chunk in chunks:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
    print()
