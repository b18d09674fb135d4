/* follow_tool apply: see follow_apply.c. What comes after the sub-command's name. */
#pragma once

int follow_apply(int argc, char **argv);
