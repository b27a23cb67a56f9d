/** One comment per kind on a pull request: written once, then changed in place. */
import type { Comment, Forge } from "./client.ts";

/** The comment of ours that carries the marker. One of somebody else that does is theirs, and could be changed by them. */
export async function ownComment(forge: Forge, number: number, marker: string): Promise<Comment | undefined> {
  const own = await forge.ownNames();
  const comments = await forge.comments(number);
  return comments.find(({ body, user }) => own.has(user.login) && body?.includes(marker));
}

/** Writes the comment, changes the one that is there, or does nothing where it says the same. */
export async function keepComment(forge: Forge, number: number, marker: string, body: string): Promise<void> {
  const earlier = await ownComment(forge, number, marker);
  if (earlier === undefined) await forge.addComment(number, body);
  else if (earlier.body?.trim() !== body.trim()) await forge.changeComment(earlier.id, body);
}
