// Keeps an answer of the server as a file: it is fetched, because a link could not send the key.
import { authorised, Refusal, sentenceOf } from "../api/client";

export async function fetched(path: string): Promise<Blob> {
  const answer = await authorised(new Request(new URL(path, window.location.origin)));
  if (!answer.ok) throw new Refusal(sentenceOf(await answer.json().catch(() => null), answer.status), answer.status);
  return answer.blob();
}

export async function save(path: string, name: string): Promise<void> {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await fetched(path));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
