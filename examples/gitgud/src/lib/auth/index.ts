import { localSignIn } from "./local";

export type User = {
  /** Clerk's user id where Clerk signs in: the primary key of `users`. */
  id: string;
  /** Empty where it is not known. */
  email: string;
};

/** Who is signed in: all that pages and routes know of it. Works in the Node and the edge runtime. */
export interface SignIn {
  /** The user of this request, null where nobody is signed in. */
  current(): Promise<User | null>;
  signIn(email: string): Promise<void>;
  signOut(): Promise<void>;
}

/** Another service stands in here; the rest of the app stays. */
export const auth: SignIn = localSignIn;
