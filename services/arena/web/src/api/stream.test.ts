import { expect, test } from "vitest";
import { Frames } from "./stream";

const bytes = "id: 1\nevent: token\ndata: {\"text\": \"é\"}\n\n: keep-alive\n\nid: 2\r\nevent: token\r\ndata: a\r\ndata: b\r\n\r\nevent: closing\ndata: x\n\n";

test("frames are the same wherever the network cuts the stream", () => {
  const whole = new Frames().push(bytes);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const frames = new Frames();
    expect([...frames.push(bytes.slice(0, cut)), ...frames.push(bytes.slice(cut))]).toEqual(whole);
  }
  expect(whole.map(({ id, event }) => [id, event])).toEqual([[1, "token"], [2, "token"], [null, "closing"]]);
  expect(whole[1]!.data).toBe("a\nb");
});

test("what is not ended yet is not told", () => {
  const frames = new Frames();
  expect(frames.push("id: 1\ndata: half")).toEqual([]);
  expect(frames.push("\n\n")).toEqual([{ id: 1, event: "message", data: "half" }]);
});
