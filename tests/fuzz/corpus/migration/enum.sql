ALTER TYPE "public"."m" ADD VALUE IF NOT EXISTS 'ok' BEFORE 'x';
--> statement-breakpoint
INSERT INTO t VALUES ('ok');