import { cookies } from "next/headers";

import type { SignIn, User } from ".";

/*
 * Sign-in without any service: whoever names an email address is its user, and a signed cookie says so.
 * That is for trying the app out. Who may know whose address is not asked.
 */

const COOKIE = "gitgud-session";
const DAYS = 30;
const encoder = new TextEncoder();

/** Read when it is needed: a build has no secret, and one image serves several environments. */
async function signingKey(): Promise<CryptoKey> {
  const secret = process.env.SESSION_SECRET;
  if (!secret) throw new Error("SESSION_SECRET is not set");
  return crypto.subtle.importKey("raw", encoder.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, [
    "sign",
    "verify",
  ]);
}

const toHex = (bytes: ArrayBuffer) => Array.from(new Uint8Array(bytes), (b) => b.toString(16).padStart(2, "0")).join("");
const fromHex = (text: string) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

async function seal(email: string): Promise<string> {
  const name = encodeURIComponent(email);
  return `${name}.${toHex(await crypto.subtle.sign("HMAC", await signingKey(), encoder.encode(name)))}`;
}

/** The address in a cookie that this app has signed, else null. */
async function open(cookie: string): Promise<string | null> {
  const dot = cookie.lastIndexOf(".");
  const name = cookie.slice(0, Math.max(dot, 0));
  const signature = fromHex(cookie.slice(dot + 1));
  const ours = await crypto.subtle.verify("HMAC", await signingKey(), signature, encoder.encode(name));
  return ours ? decodeURIComponent(name) : null;
}

async function current(): Promise<User | null> {
  const cookie = (await cookies()).get(COOKIE)?.value;
  const email = cookie ? await open(cookie) : null;
  return email ? { id: `local:${email}`, email } : null;
}

async function signIn(address: string): Promise<void> {
  const email = address.trim().toLowerCase();
  (await cookies()).set(COOKIE, await seal(email), {
    httpOnly: true,
    sameSite: "lax",
    path: "/",
    maxAge: DAYS * 24 * 60 * 60,
  });
}

async function signOut(): Promise<void> {
  (await cookies()).delete(COOKIE);
}

export const localSignIn: SignIn = { current, signIn, signOut };
