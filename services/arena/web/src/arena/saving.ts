// Keeps a run's page as a file: it is fetched, because a link could not send the key.
import { authorised, Refusal, sentenceOf } from "../api/client";

export async function savePage(id: string): Promise<void> {
  const answer = await authorised(new Request(new URL(`/v1/arena/runs/${encodeURIComponent(id)}/page`, window.location.origin)));
  if (!answer.ok) throw new Refusal(sentenceOf(await answer.json().catch(() => null), answer.status), answer.status);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = `${id}.html`;
  link.click();
  URL.revokeObjectURL(link.href);
}
