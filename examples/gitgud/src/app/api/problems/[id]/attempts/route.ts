import { isId, readAttempt, readJson } from "@/lib/input";
import { addAttempt, findProblem } from "@/lib/journal";
import { answer } from "@/lib/route";

type Context = { params: Promise<{ id: string }> };

export async function GET(_: Request, { params }: Context) {
  const { id } = await params;
  return answer(async (user) => (isId(id) ? (await findProblem(user, id))?.attempts : undefined));
}

export async function POST(request: Request, { params }: Context) {
  const { id } = await params;
  return answer(
    async (user) => (isId(id) ? addAttempt(user, id, readAttempt(await readJson(request))) : undefined),
    true,
  );
}
