import { auth, type User } from "./auth";
import { InputError } from "./input";

/** A JSON route of a user: 401 where nobody is signed in, 400 for a wrong input, 404 where there is no answer. */
export async function answer(work: (user: User) => Promise<unknown>, created = false): Promise<Response> {
  const user = await auth.current();
  if (!user) return Response.json({ error: "nobody is signed in" }, { status: 401 });
  try {
    const found = await work(user);
    if (found === undefined || found === false) return Response.json({ error: "there is no such thing" }, { status: 404 });
    return Response.json(found, { status: created ? 201 : 200 });
  } catch (error) {
    if (error instanceof InputError) return Response.json({ error: error.message }, { status: 400 });
    console.error(error);
    return Response.json({ error: "the database did not answer" }, { status: 500 });
  }
}
