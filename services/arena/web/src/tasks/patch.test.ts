import { expect, test } from "vitest";
import { filesOf } from "./patch";

const patch = `diff --git a/x.py b/x.py
--- a/x.py
+++ b/x.py
@@ -3,3 +3,4 @@ def f():
 same
-old <b>one</b> line
+new <b>one</b> line
+more
 end
`;

test("lines have the numbers of both files", () => {
  const [file] = filesOf(patch)!;
  expect(file!.path).toBe("x.py");
  expect(file!.hunks[0]!.lines.map((line) => [line.kind, line.old, line.fresh])).toEqual([
    ["context", 3, 3], ["removed", 4, null], ["added", null, 4], ["added", null, 5], ["context", 5, 6],
  ]);
});

test("the words that changed are marked where one line took another's place", () => {
  const lines = filesOf(patch.replace("+more\n", "").replace("+3,4", "+3,3"))![0]!.hunks[0]!.lines;
  const changed = lines.map((line) => line.parts.filter((part) => part.changed).map((part) => part.text).join("|"));
  expect(changed).toEqual(["", "old", "new", ""]);
  expect(lines[1]!.parts.map((part) => part.text).join("")).toBe("old <b>one</b> line");
});

test("what is no patch is not made one", () => {
  expect(filesOf("<script>alert(1)</script>")).toBeNull();
  expect(filesOf("@@ -1,9 +1,9 @@\n+x")).toBeNull();
});
