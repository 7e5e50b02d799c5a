import { expect, test } from "vitest";
import { address, routeOf } from "./route";

test("an address leads back to what it was made of", () => {
  const route = routeOf(address("tasks", "a/b?c%", { against: "é&=" }));
  expect([route.view, route.id, route.query.get("against")]).toEqual(["tasks", "a/b?c%", "é&="]);
});

test("what is no address of the page is the first view", () => {
  for (const hash of ["", "#", "#/nothing", "#/%zz/%zz"]) expect(routeOf(hash).view).toBe("arena");
  expect(routeOf("#/tasks/%zz").id).toBe("%zz");
});
