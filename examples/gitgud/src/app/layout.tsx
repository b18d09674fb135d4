import type { Metadata } from "next";
import Link from "next/link";
import type { ReactNode } from "react";

import { auth } from "@/lib/auth";

import { leave } from "./actions";
import "./style.css";

export const metadata: Metadata = {
  title: "GitGud",
  description: "A journal of the coding problems you practise",
};

export default async function Layout({ children }: { children: ReactNode }) {
  const user = await auth.current();
  return (
    <html lang="en">
      <body>
        <header className="top">
          <Link href="/" className="mark">
            Git<b>Gud</b>
          </Link>
          {user && (
            <form action={leave} className="who">
              <span>{user.email}</span>
              <button className="quiet">Sign out</button>
            </form>
          )}
        </header>
        <main>{children}</main>
      </body>
    </html>
  );
}
