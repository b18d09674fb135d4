import { readAttempt, readJson, readProblem } from "@/lib/input";
import { addSession, listSessions } from "@/lib/journal";
import { answer } from "@/lib/route";

// For a browser's extension or a phone's shortcut: a problem and how it went, in one call.
export const runtime = "edge";

const LATEST = 50;

export function GET() {
  return answer((user) => listSessions(user, LATEST));
}

export function POST(request: Request) {
  return answer(async (user) => {
    const fields = await readJson(request);
    return addSession(user, readProblem(fields), readAttempt(fields));
  }, true);
}
