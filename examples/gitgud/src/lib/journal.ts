import { and, desc, eq, sql } from "drizzle-orm";

import type { User } from "./auth";
import { db } from "./db";
import { attempts, problems, users } from "./db/schema";
import type { AttemptInput, ProblemInput } from "./input";

/* All that the app asks of its database. Every statement is limited to the rows of one user. */

/** A user's row is made on the first write. */
const makeUser = (user: User) =>
  db.insert(users).values({ clerkId: user.id, email: user.email }).onConflictDoNothing();

const ownProblem = (user: User, id: string) => and(eq(problems.id, id), eq(problems.userId, user.id));
const ownAttempt = (user: User, id: string) => and(eq(attempts.id, id), eq(attempts.userId, user.id));

export type Problem = Awaited<ReturnType<typeof listProblems>>[number];
export type Attempt = Problem["attempts"][number];

/** Newest first, each with its attempts, newest first. */
export function listProblems(user: User) {
  return db.query.problems.findMany({
    where: eq(problems.userId, user.id),
    orderBy: [desc(problems.createdAt), problems.id],
    with: { attempts: { orderBy: [desc(attempts.createdAt), attempts.id] } },
  });
}

export function findProblem(user: User, id: string): Promise<Problem | undefined> {
  return db.query.problems.findFirst({
    where: ownProblem(user, id),
    with: { attempts: { orderBy: [desc(attempts.createdAt), attempts.id] } },
  });
}

export async function addProblem(user: User, input: ProblemInput) {
  const [, [problem]] = await db.batch([
    makeUser(user),
    db.insert(problems).values({ ...input, userId: user.id }).returning(),
  ]);
  return problem;
}

export async function changeProblem(user: User, id: string, input: ProblemInput) {
  const changed = { ...input, updatedAt: sql`now()` };
  const [problem] = await db.update(problems).set(changed).where(ownProblem(user, id)).returning();
  return problem;
}

export async function removeProblem(user: User, id: string): Promise<boolean> {
  return (await db.delete(problems).where(ownProblem(user, id)).returning({ id: problems.id })).length > 0;
}

/** The problem must be the user's own: undefined where it is not. */
export async function addAttempt(user: User, problemId: string, input: AttemptInput) {
  const [own] = await db.select({ id: problems.id }).from(problems).where(ownProblem(user, problemId));
  if (!own) return undefined;
  const [attempt] = await db.insert(attempts).values({ ...input, problemId, userId: user.id }).returning();
  return attempt;
}

export async function changeAttempt(user: User, id: string, input: AttemptInput) {
  const changed = { ...input, updatedAt: sql`now()` };
  const [attempt] = await db.update(attempts).set(changed).where(ownAttempt(user, id)).returning();
  return attempt;
}

export async function removeAttempt(user: User, id: string): Promise<boolean> {
  return (await db.delete(attempts).where(ownAttempt(user, id)).returning({ id: attempts.id })).length > 0;
}

/** A problem and its first attempt: both are kept, or neither. */
export async function addSession(user: User, problem: ProblemInput, attempt: AttemptInput) {
  const problemId = crypto.randomUUID();
  const [, [added], [first]] = await db.batch([
    makeUser(user),
    db.insert(problems).values({ ...problem, id: problemId, userId: user.id }).returning(),
    db.insert(attempts).values({ ...attempt, problemId, userId: user.id }).returning(),
  ]);
  return { problem: added, attempt: first };
}

/** The latest attempts, each with its problem's title. */
export function listSessions(user: User, limit: number) {
  return db
    .select({
      id: attempts.id,
      problemId: problems.id,
      title: problems.title,
      status: attempts.status,
      timeTaken: attempts.timeTaken,
      createdAt: attempts.createdAt,
    })
    .from(attempts)
    .innerJoin(problems, eq(problems.id, attempts.problemId))
    .where(eq(attempts.userId, user.id))
    .orderBy(desc(attempts.createdAt), attempts.id)
    .limit(limit);
}

export async function countAll(user: User) {
  const [[first], [second]] = await db.batch([
    db
      .select({ problems: sql<number>`count(*)::int` })
      .from(problems)
      .where(eq(problems.userId, user.id)),
    db
      .select({
        attempts: sql<number>`count(*)::int`,
        solved: sql<number>`count(DISTINCT ${attempts.problemId}) FILTER (WHERE ${attempts.status} = 'solved')::int`,
        minutes: sql<number>`coalesce(sum(${attempts.timeTaken}), 0)::int`,
      })
      .from(attempts)
      .where(eq(attempts.userId, user.id)),
  ]);
  return { ...first, ...second };
}
