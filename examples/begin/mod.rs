//! What the programs share that take arguments: how they begin.

use std::io;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Parser};
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The arguments of the command line. From here on, stderr shows the program's own log and the runtime's warnings: the runtime retries
/// until it succeeds, and a program that waits for it would be silent.
///
/// Before a subcommand may stand the options that are for all, and nothing else.
pub(crate) fn arguments<A: Parser>() -> A {
    let shown = Targets::new().with_default(Level::WARN).with_target(env!("CARGO_CRATE_NAME"), Level::INFO);
    tracing_subscriber::registry().with(layer().with_writer(io::stderr).with_target(false)).with(shown).init();
    let mut command = A::command().bin_name(env!("CARGO_CRATE_NAME"));
    let matches = command.get_matches_mut();
    if let Some(subcommand) = matches.subcommand_name() {
        let out_of_place = command.get_arguments().find(|arg| is_out_of_place(arg, &matches)).map(Arg::to_string);
        if let Some(arg) = out_of_place {
            let wrong = format!("the subcommand '{subcommand}' cannot be used with '{arg}'");
            command.error(ErrorKind::ArgumentConflict, wrong).exit();
        }
    }
    A::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit())
}

fn is_out_of_place(arg: &Arg, matches: &ArgMatches) -> bool {
    !arg.is_global_set() && matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
}
