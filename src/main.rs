//! The `correlated` program: parses the command line, calls one function, prints, exits.

use std::process::ExitCode;

fn main() -> ExitCode {
    correlated::cli::main()
}
