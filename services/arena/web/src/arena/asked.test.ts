import { expect, test } from "vitest";
import { asked, body, column, KEPT, start, WRITTEN } from "./asked";
import type { Schemas } from "../api/client";

const ran = (request: Schemas["RunRequest-Input"]): Schemas["RunRequest-Output"] =>
  ({
    ...request,
    columns: request.columns.map(({ name, steering }) => ({ name, steering: steering === undefined ? [] : [steering].flat() })),
  }) as Schemas["RunRequest-Output"];

test("a form that is made of a request asks for the same again", () => {
  const form = { ...start(["bug_analysis", "code_reading"]), seed: "7" };
  form.columns.push({ ...column(WRITTEN), name: "both", expression: "5·bug_analysis" });
  form.columns[1]!.unit = "relative_alpha";
  form.columns[1]!.strength = "12.5";
  const request = body(form);
  expect(request.columns.map((each) => each.steering)).toEqual([
    undefined,
    { domain: "bug_analysis", operation: "add", positions: "all", relative_alpha: 0.125 },
    { domain: "code_reading", operation: "add", positions: "all", dose: 1 },
    "5·bug_analysis",
  ]);
  expect(body(asked(ran(request)))).toEqual(request);
});

test("a steering that the form has no fields for is asked for as it was", () => {
  const steering = [{ domain: "a", layers: "1..2" }, "2·b"];
  const form = asked(ran({ prompt: "x", columns: [{ name: "c", steering }] }));
  expect(form.columns[0]!.vector).toBe(KEPT);
  expect(body(form).columns[0]!.steering).toEqual(steering);
});

test("columns of one vector have names of their own", () => {
  expect(column("a", ["a", "a 2"]).name).toBe("a 3");
});
