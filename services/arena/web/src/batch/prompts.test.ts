import { expect, test } from "vitest";
import { promptsIn } from "./prompts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("prompts are read from lines, from a list, and from lines of JSON", () => {
  expect(promptsIn(bytes("a\r\n\n b \n"))).toEqual(["a", "b"]);
  expect(promptsIn(bytes('["a\\nb", {"prompt": "c"}, 5]'))).toEqual(["a\nb", "c"]);
  expect(promptsIn(bytes('{"prompt": "a"}\n{"prompt": "<b>"}'))).toEqual(["a", "<b>"]);
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
