/* Keeps what a process has run that does not end by exit(): without this the lines of a detached
 * mover, of its watchers and of every other child that must not run its parent's exit handlers
 * would look untested. Linked with --wrap, into builds that count lines only (-Db_coverage=true).
 */
#include <stdlib.h>

void __gcov_dump(void);
_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);
_Noreturn void __real_abort(void);
_Noreturn void __wrap_abort(void);

_Noreturn void __wrap__exit(int status)
{
    __gcov_dump();
    __real__exit(status);
}

_Noreturn void __wrap_abort(void)
{
    __gcov_dump();
    __real_abort();
}
