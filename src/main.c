#include "cli/cli.h"
#include "core/cancel.h"
#include "core/file.h"

int main(int argc, char **argv)
{
    file_open_standard();
    cancel_install();
    return cli_main(argc, argv);
}
