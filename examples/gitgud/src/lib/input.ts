import { attempts, difficulty, problems, status } from "./db/schema";

/** What a caller sent is wrong, and why: status 400. */
export class InputError extends Error {}

type Fields = Record<string, unknown>;
export type ProblemInput = Omit<typeof problems.$inferInsert, "id" | "userId" | "createdAt" | "updatedAt">;
export type AttemptInput = Omit<
  typeof attempts.$inferInsert,
  "id" | "problemId" | "userId" | "createdAt" | "updatedAt"
>;

/** A form's empty field is no value. */
function text(fields: Fields, name: string): string | null {
  const value = fields[name];
  if (value === undefined || value === null) return null;
  if (typeof value !== "string") throw new InputError(`${name} is not a text`);
  return value.trim() || null;
}

function oneOf<T extends string>(fields: Fields, name: string, allowed: readonly T[]): T {
  const value = allowed.find((one) => one === fields[name]);
  if (!value) throw new InputError(`${name} is one of ${allowed.join(", ")}`);
  return value;
}

/** A list, or the text of a form with commas in it. */
function tags(fields: Fields): string[] | null {
  const value = fields.tags;
  const list = Array.isArray(value) ? value : (text(fields, "tags")?.split(",") ?? []);
  const names = list.map((tag) => String(tag).trim()).filter(Boolean);
  return names.length > 0 ? [...new Set(names)] : null;
}

function link(fields: Fields): string | null {
  const value = text(fields, "url");
  if (value !== null && !/^https?:\/\//.test(value)) throw new InputError("url begins with http:// or https://");
  return value;
}

function minutes(fields: Fields): number | null {
  const value = fields.timeTaken;
  if (value === undefined || value === null || value === "") return null;
  const number = Number(value);
  if (!Number.isInteger(number) || number < 0 || number > 10_000) throw new InputError("timeTaken is in whole minutes");
  return number;
}

export function readProblem(fields: Fields): ProblemInput {
  const title = text(fields, "title");
  if (!title) throw new InputError("title is missing");
  return {
    title,
    description: text(fields, "description"),
    url: link(fields),
    platform: text(fields, "platform"),
    difficulty: oneOf(fields, "difficulty", difficulty.enumValues),
    tags: tags(fields),
  };
}

export function readAttempt(fields: Fields): AttemptInput {
  return {
    status: oneOf(fields, "status", status.enumValues),
    timeTaken: minutes(fields),
    notes: text(fields, "notes"),
    solutionCode: text(fields, "solutionCode"),
  };
}

export async function readJson(request: Request): Promise<Fields> {
  const body: unknown = await request.json().catch(() => null);
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw new InputError("the body is no JSON object");
  return body as Fields;
}

/** An id of another form names nothing; PostgreSQL would call it an error. */
export function isId(value: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value);
}
