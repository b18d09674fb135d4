import { isId, readJson, readProblem } from "@/lib/input";
import { changeProblem, findProblem, removeProblem } from "@/lib/journal";
import { answer } from "@/lib/route";

type Context = { params: Promise<{ id: string }> };

export async function GET(_: Request, { params }: Context) {
  const { id } = await params;
  return answer(async (user) => (isId(id) ? findProblem(user, id) : undefined));
}

export async function PUT(request: Request, { params }: Context) {
  const { id } = await params;
  return answer(async (user) => (isId(id) ? changeProblem(user, id, readProblem(await readJson(request))) : undefined));
}

export async function DELETE(_: Request, { params }: Context) {
  const { id } = await params;
  return answer(async (user) => isId(id) && removeProblem(user, id));
}
