import { readJson, readProblem } from "@/lib/input";
import { addProblem, listProblems } from "@/lib/journal";
import { answer } from "@/lib/route";

export function GET() {
  return answer(listProblems);
}

export function POST(request: Request) {
  return answer(async (user) => addProblem(user, readProblem(await readJson(request))), true);
}
