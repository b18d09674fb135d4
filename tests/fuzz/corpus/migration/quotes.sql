DO $x$ BEGIN --> statement-breakpoint
END $x$; SELECT E'\'', "a""b", $1; /* /* */ */ COMMIT; VACUUM