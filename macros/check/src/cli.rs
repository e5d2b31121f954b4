//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// Checks what Dacapo's orchestrators do: whatever a replay cannot repeat is refused.
#[derive(Debug, Parser)]
#[command(name = "cargo-dacapo", bin_name = "cargo dacapo", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check every orchestrator of the workspace, through helpers in other files and crates
    #[command(long_about = ABOUT, after_long_help = DETAILS)]
    Check(Check),
    /// Print the page of a rule, or the list of rules
    Explain {
        /// The rule, such as `clock`
        rule: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Path to Cargo.toml; without it, the workspace around the current directory
    #[arg(long, value_name = "PATH")]
    pub(crate) manifest_path: Option<PathBuf>,
    /// Check only the orchestrators of this package; helpers are followed into every package all the same
    #[arg(short, long = "package", value_name = "PACKAGE")]
    pub(crate) packages: Vec<String>,
    /// How to show the findings
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// As the compiler shows its errors
    #[default]
    Human,
    /// One JSON object, described below
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

const ABOUT: &str = "\
Check every orchestrator of the workspace, through helpers in other files and crates

The compiler refuses in an orchestrator what replay cannot survive, and sees the helpers of the same file. This check reads \
the whole workspace: libraries, binaries and examples, in every configuration but `cfg(test)`. From each `#[orchestrator]` it \
follows calls through imports and re-exports, and reports what it finds at the call in the orchestrator, with the way there. \
It stops at an `#[activity]`, which may do anything, and at another `#[orchestrator]`, which is checked for itself.";

// Lines short enough that the terminal's width does not break them.
const DETAILS: &str = "\
Methods:
  A method call is followed when the type of its receiver can be told (`self`, typed
  parameters and `let`s, `Type::new()`, struct fields, return types), or when only one type
  of the workspace has a method of that name with as many arguments, and the name is none
  that the standard library uses, such as `get`.

Silencing a finding:
  // dacapo: allow(RULE) REASON
  at the end of a line, or on a line of its own above, silences the rule on that line: in the
  orchestrator, in a helper where it stands, or at a call on the way. Without a reason or
  with an unknown rule it is an error; if it silences nothing, a warning.
  #[orchestrator(allow(RULE, reason = \"..\"))] switches a rule off for one orchestrator.

What the check cannot see:
  - methods called on trait objects and on generic types, where several types have the method
  - functions called through values: struct fields, collections, closures passed in
  - operators, conversions, `Drop`, `Display` and whatever else is called without its name
  - the bodies of crates outside the workspace: the rules know names that are refused, and
    take every other one to be fine
  - macros that cannot be opened, code that macros, `include!` and build scripts make, and
    modules declared inside macros or functions
  - helpers declared in a function, for an orchestrator declared in the same function
  - tests, benchmarks and whatever stands under `cfg(test)`
  - the rule `signature`, which is the compiler's alone
  Names are resolved without the compiler's knowledge of types. What no reading of the source
  can see, verify mode sees: it is on in debug builds and in tests, replays each turn and
  compares.

JSON (`--format json`) is one object. Fields may be added; while `version` is 1, none is
removed or changes its meaning.
  version    1
  findings   a list of { rule, level, package, orchestrator, what, why, instead, at, chain }
  problems   a list of { message, at }: what could not be read
  checked    { packages, files, orchestrators }: how many
  level      \"error\" or \"warning\"
  package, orchestrator
             null in a finding about a comment, whose rule is \"allow\"
  chain      a list of { text, at }, from the function that the orchestrator calls to what is
             refused; empty where that stands in the orchestrator itself
  at         { file, line, column, end_line, end_column }, or null in a problem of no place;
             the file from the root of the workspace, lines and columns from 1, columns in
             characters, the end exclusive

Exit code:
  0  nothing was found; there may be warnings
  1  something was found
  2  something could not be read: no manifest, a file that is not Rust. What was found in
     the rest is shown all the same";

/// The arguments of the process. Cargo calls `cargo-dacapo dacapo ..` for `cargo dacapo ..`.
pub(crate) fn arguments() -> Vec<OsString> {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|first| first == "dacapo") {
        arguments.remove(1);
    }
    arguments
}
