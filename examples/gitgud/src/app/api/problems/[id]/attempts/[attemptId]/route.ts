import { isId, readAttempt, readJson } from "@/lib/input";
import { changeAttempt, removeAttempt } from "@/lib/journal";
import { answer } from "@/lib/route";

type Context = { params: Promise<{ id: string; attemptId: string }> };

export async function PUT(request: Request, { params }: Context) {
  const { attemptId } = await params;
  return answer(async (user) =>
    isId(attemptId) ? changeAttempt(user, attemptId, readAttempt(await readJson(request))) : undefined,
  );
}

export async function DELETE(_: Request, { params }: Context) {
  const { attemptId } = await params;
  return answer(async (user) => isId(attemptId) && removeAttempt(user, attemptId));
}
