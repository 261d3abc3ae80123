//! The program: parses the command line, hands over to the subcommand, turns errors into exit codes.

use std::process::ExitCode;

fn main() -> ExitCode {
    tidegauge_ioctl::memory::few_arenas();
    tidegauge::run(std::env::args_os())
}
