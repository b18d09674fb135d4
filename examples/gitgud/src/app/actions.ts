"use server";

import { revalidatePath } from "next/cache";
import { redirect } from "next/navigation";

import { auth, type User } from "@/lib/auth";
import { InputError, isId, readAttempt, readProblem } from "@/lib/input";
import { addAttempt, addProblem } from "@/lib/journal";

/* What the pages' forms do. They work without JavaScript in the browser, too. */

async function signedIn(): Promise<User> {
  return (await auth.current()) ?? redirect("/sign-in");
}

/** Does the work, and shows the page again: with what was wrong, if something was. */
async function submit(path: string, work: () => Promise<unknown>): Promise<never> {
  let wrong = "";
  try {
    await work();
    revalidatePath(path);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    wrong = `?wrong=${encodeURIComponent(error.message)}`;
  }
  redirect(path + wrong);
}

export async function saveProblem(form: FormData) {
  const user = await signedIn();
  await submit("/", () => addProblem(user, readProblem(Object.fromEntries(form))));
}

export async function saveAttempt(problemId: string, form: FormData) {
  const user = await signedIn();
  if (!isId(problemId)) redirect("/");
  await submit(`/problems/${problemId}`, () => addAttempt(user, problemId, readAttempt(Object.fromEntries(form))));
}

export async function enter(form: FormData) {
  const email = form.get("email");
  if (typeof email !== "string" || !/^\S+@\S+$/.test(email.trim())) redirect("/sign-in");
  await auth.signIn(email);
  redirect("/");
}

export async function leave() {
  await auth.signOut();
  redirect("/sign-in");
}
