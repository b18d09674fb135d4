import { relations } from "drizzle-orm";
import { integer, pgEnum, pgTable, text, timestamp, uuid } from "drizzle-orm/pg-core";

export const difficulty = pgEnum("difficulty", ["easy", "medium", "hard"]);
export const status = pgEnum("status", ["solved", "partial", "failed"]);

/** Of every table: when a row was made and last changed. */
const timestamps = {
  createdAt: timestamp("created_at").defaultNow().notNull(),
  updatedAt: timestamp("updated_at").defaultNow().notNull(),
};

export const users = pgTable("users", {
  /** Clerk's user id: a row is made on the user's first call. */
  clerkId: text("clerk_id").primaryKey(),
  /** Empty where Clerk knows none. */
  email: text("email").notNull(),
  ...timestamps,
});

export const problems = pgTable("problems", {
  id: uuid("id").primaryKey().defaultRandom(),
  userId: text("user_id")
    .notNull()
    .references(() => users.clerkId, { onDelete: "cascade" }),
  title: text("title").notNull(),
  description: text("description"),
  url: text("url"),
  platform: text("platform"),
  difficulty: difficulty("difficulty").notNull(),
  tags: text("tags").array(),
  ...timestamps,
});

export const attempts = pgTable("attempts", {
  id: uuid("id").primaryKey().defaultRandom(),
  problemId: uuid("problem_id")
    .notNull()
    .references(() => problems.id, { onDelete: "cascade" }),
  userId: text("user_id")
    .notNull()
    .references(() => users.clerkId, { onDelete: "cascade" }),
  status: status("status").notNull(),
  /** Minutes. */
  timeTaken: integer("time_taken"),
  notes: text("notes"),
  solutionCode: text("solution_code"),
  ...timestamps,
});

export const usersRelations = relations(users, ({ many }) => ({
  problems: many(problems),
  attempts: many(attempts),
}));

export const problemsRelations = relations(problems, ({ one, many }) => ({
  user: one(users, { fields: [problems.userId], references: [users.clerkId] }),
  attempts: many(attempts),
}));

export const attemptsRelations = relations(attempts, ({ one }) => ({
  problem: one(problems, { fields: [attempts.problemId], references: [problems.id] }),
  user: one(users, { fields: [attempts.userId], references: [users.clerkId] }),
}));
