import { expect, test } from "vitest";
import { Layout } from "./lines";

const each = (text: string): number => text.length;
const shown = (layout: Layout): string[] => layout.lines.map((line) => line.map((piece) => piece.text).join(""));

test("a word of several tokens moves to the next line as a whole", () => {
  expect(shown(new Layout(10, each).extend(["Hello", " wor", "ld", " again"]))).toEqual(["Hello", "world", "again"]);
});

test("a line break in a token begins a line, and one alone can be seen", () => {
  expect(shown(new Layout(10, each).extend(["a\nb", "\n", "\n\n", "c"]))).toEqual(["a", "b⏎", "⏎", "", "c"]);
});

test("a token that is wider than a line is cut", () => {
  expect(shown(new Layout(4, each).extend(["abcdefghij"])).join("")).toBe("abcdefghij");
  for (const line of shown(new Layout(4, each).extend(["abcdefghij"]))) expect(line.length).toBeLessThanOrEqual(4);
});

test("tokens that come one by one are laid out like all at once", () => {
  const texts = ["One", " two", "three", " \n four", "", " five", " sixseveneight"];
  const whole = new Layout(9, each).extend(texts);
  const slow = new Layout(9, each);
  for (let i = 1; i <= texts.length; i++) slow.extend(texts.slice(0, i));
  expect(slow.lines).toEqual(whole.lines);
});

test("the line of every token is found", () => {
  const layout = new Layout(6, each).extend(["One", " two", "\n\n", "three", " four", " five"]);
  for (const [number, line] of layout.lines.entries())
    for (const piece of line) if (!layout.lines.slice(0, number).some((before) => before.some((other) => other.token === piece.token))) expect(layout.lineOf(piece.token)).toBe(number);
});
