"""A run of more columns and tokens than any server shows, told to the page as fast as it reads."""

COLUMNS, TOKENS = 60, 2000
_STREAM = """() => {
const fetched = window.fetch;
const words = [" loop", " the", "skip", "\\n", " item,", " ü", " xxxxxxxxxxxxxxxx", "."];
window.fetch = (request) => {
  if (!request.url.endsWith("/runs/many/events")) return fetched(request);
  let seq = 0;
  const next = () => {
    const [column, index] = [seq % COLUMNS, Math.floor(seq / COLUMNS)];
    const [text, divergence] = [words[(index * 7 + column) % 8], (index * column % 13) / 4];
    const token = {kind: "token", seq: ++seq, column, index, id: 1, text, logprob: -0.5, alternatives: [],
                   divergence, projection: 1};
    return `id: ${seq}\\nevent: token\\ndata: ${JSON.stringify(token)}\\n\\n`;
  };
  const body = new ReadableStream({
    pull(out) {
      if (seq === COLUMNS * TOKENS) return new Promise(() => {});
      out.enqueue(new TextEncoder().encode(Array.from({length: 300}, next).join("")));
    },
  });
  return Promise.resolve(new Response(body, {headers: {"Content-Type": "text/event-stream"}}));
};
}""".replace("COLUMNS", str(COLUMNS)).replace("TOKENS", str(TOKENS))
"""In place of a server that sends 120,000 tokens."""


def flood(shown, http) -> None:
    """Have a page of any view show the run from its first token to its last, in columns that come into view
    one after another."""
    asked = {"prompt": "x", "columns": [{"name": "a"}], "max_tokens": 2}
    answer = http.post("/v1/arena/runs", json=asked).raise_for_status().json()
    columns = [{**answer["columns"][0], "name": f"c{number}"} for number in range(COLUMNS)]
    answer |= {"id": "many", "state": "running", "columns": columns}
    shown.route("**/v1/arena/runs/many", lambda route: route.fulfill(json=answer))
    shown.evaluate(_STREAM)
    shown.goto(f"{shown.url.partition('#')[0]}#/arena/many")
    for column in (0, 5, 20, COLUMNS - 1):
        each = shown.get_by_role("article", name=f"c{column}", exact=True)
        each.scroll_into_view_if_needed()
        each.get_by_text(f"{TOKENS:,} tokens").wait_for(timeout=100_000)
        each.locator(".token-line").first.wait_for()
        each.locator(".tokens").evaluate("tokens => tokens.scrollTo(0, 10000)")
        each.locator(".token-line [data-token]").first.wait_for()
