import { expect, test } from "vitest";
import { asText, promptsIn as read, written } from "./prompts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const promptsIn = (given: Uint8Array): string[] => read(given, "line");

test("prompts are read from lines, from a list, and from lines of JSON", () => {
  expect(promptsIn(bytes("a\r\n\n b \n"))).toEqual(["a", "b"]);
  expect(promptsIn(bytes('["a\\nb", {"prompt": "c"}, 5]'))).toEqual(["a\nb", "c"]);
  expect(promptsIn(bytes('{"prompt": "a"}\n{"prompt": "<b>"}'))).toEqual(["a", "<b>"]);
});

test("prompts of several lines have a blank line between them where somebody says so", () => {
  const text = "def f():\r\n    return 1\r\n\r\n \t\nWhy?\n\n\nHow?\nWhen?\n";
  expect(written(text, "blank")).toEqual(["def f():\n    return 1", "Why?", "How?\nWhen?"]);
  expect(written(text, "line")).toEqual(["def f():", "return 1", "Why?", "How?", "When?"]);
  expect(written('["a\\n\\nb", "c"]', "blank")).toEqual(["a\n\nb", "c"]);
});

test("prompts of a file are read again as they were when they stand in the box", () => {
  for (const prompts of [["a", "b"], ["a\n\nb", "[c]"], ['["a"]', "b"]]) expect(written(asText(prompts), "line")).toEqual(prompts);
});

test("what only looks like JSON is taken as lines", () => {
  expect(promptsIn(bytes("[a question?]\n{another}"))).toEqual(["[a question?]", "{another}"]);
});

test("what is no text is refused with a sentence", () => {
  expect(() => promptsIn(new Uint8Array([0xff, 0xfe, 0x41]))).toThrow("no text in UTF-8");
  expect(() => promptsIn(new Uint8Array([0x41, 0]))).toThrow("no text in UTF-8");
  expect(() => promptsIn(bytes(" \n "))).toThrow("holds no prompts");
  expect(() => promptsIn(new Uint8Array(2_000_001))).toThrow("larger than 2 MB");
});
