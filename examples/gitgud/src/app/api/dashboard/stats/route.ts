import { countAll } from "@/lib/journal";
import { answer } from "@/lib/route";

export function GET() {
  return answer(countAll);
}
