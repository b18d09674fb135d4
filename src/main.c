#include "cli/cli.h"
#include "core/cancel.h"

int main(int argc, char **argv)
{
    cancel_install();
    return cli_main(argc, argv);
}
