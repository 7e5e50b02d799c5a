"""A run of more columns and tokens than any server shows: none of its frames keeps the page waiting."""

import json

COLUMNS, TOKENS = 60, 2000
FRAME_MS = 50
STREAM = """() => {
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
}"""
"""In place of a server that sends 120,000 tokens as fast as they are read."""


def test_many_columns_of_many_tokens_are_shown_without_a_slow_frame(live, browser, open_page, tmp_path):
    """What counts is how long the page's own thread computes at once, whatever else the machine does."""
    asked = {"prompt": "x", "columns": [{"name": "a"}], "max_tokens": 2}
    answer = live.http.post("/v1/arena/runs", json=asked).json()
    columns = [{**answer["columns"][0], "name": f"c{number}"} for number in range(COLUMNS)]
    answer |= {"id": "many", "state": "running", "columns": columns}

    shown = open_page(live.url, "saved")
    shown.route("**/v1/arena/runs/many", lambda route: route.fulfill(json=answer))
    shown.evaluate(STREAM.replace("COLUMNS", str(COLUMNS)).replace("TOKENS", str(TOKENS)))
    trace = tmp_path / "trace.json"
    browser.start_tracing(page=shown, path=trace, categories=["toplevel", "devtools.timeline"])
    shown.goto(f"{live.url}/#/arena/many")
    first = shown.get_by_role("article", name="c0", exact=True)
    first.get_by_text(f"{TOKENS:,} tokens").wait_for(timeout=100_000)
    for place in (2000, 6000, 14_000):
        shown.locator(".columns").evaluate("(all, place) => all.scrollTo(place, 0)", place)
        shown.wait_for_timeout(100)
    shown.locator(".column .tokens").last.evaluate("each => each.scrollTo(0, 10000)")
    shown.wait_for_timeout(100)
    browser.stop_tracing()

    assert max(busy_ms(json.loads(trace.read_text())["traceEvents"])) < FRAME_MS
    assert shown.locator(".token-line").count() < 1000


def busy_ms(events: list[dict]) -> list[float]:
    """For how long a thread computed for each task of the page's loop, of a trace."""
    page = {
        (each["pid"], each["tid"])
        for each in events
        if each["name"] == "thread_name" and each["args"]["name"] == "CrRendererMain"
    }
    tasks = [
        each.get("tdur", 0) / 1000
        for each in events
        if each["name"] == "ThreadControllerImpl::RunTask" and (each["pid"], each["tid"]) in page
    ]
    assert len(tasks) > 100
    return tasks
