//! The command line.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use dacapo::{Client, Query, ReuseId, Status};

use crate::time;

/// Looks at the orchestrations of a Dacapo store and manages them, while a worker runs or not.
#[derive(Parser)]
#[command(name = "dacapo", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// The store, as the worker names it: `sqlite:orders.db`
    #[arg(long, global = true, env = "DACAPO_STORE", value_name = "URL")]
    pub(crate) store: Option<String>,
    /// Answer in JSON; times are UTC with microseconds
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) color: colorchoice_clap::Color,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Times are UTC, such as 2026-11-21, 2026-11-21T08:30 or 2026-11-21T08:30:00Z, or a time ago, such as `2h` or `3 days`.

Exit codes: 0 success, 1 error, 2 usage error, 3 the orchestration did not complete, 4 timed out";

const CENSUS: &str = "\
The worker, or the one before it: there - has this code; changed - has other code of this name and version; registered - has this name and
version, and by which code it was started is unknown, as always for what `dacapo start` has started; missing - has it not; unknown - no
worker has opened the store yet";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List orchestrations, the newest first
    #[command(visible_alias = "ls")]
    List(List),
    /// Show an orchestration and its timeline: what ran when, in parallel, how often, and what was waited for
    Show(Show),
    /// Show the events of an orchestration, turn by turn
    History {
        /// The instance id
        id: String,
    },
    /// Start an orchestrator by its name
    Start(Start),
    /// Raise an external event
    Raise {
        /// The instance id
        id: String,
        /// The name of the event
        event: String,
        /// Its value as JSON, `-` for standard input
        #[arg(default_value = "null", allow_negative_numbers = true)]
        value: String,
    },
    /// Suspend orchestrations until they are resumed
    Suspend(Target),
    /// Continue orchestrations that were suspended or parked
    Resume {
        #[command(flatten)]
        target: Target,
        /// Skip the external event with this number, which is in the report of a parked run; the event stays in the
        /// history (repeatable)
        #[arg(long, value_name = "N")]
        without_event: Vec<u64>,
    },
    /// End orchestrations, and the sub-orchestrations they wait for
    Terminate(Target),
    /// Go on with failed orchestrations: what failed is tried again, what was completed is not
    Rewind(Target),
    /// Start an orchestration once more, with the input and the tags it had
    Restart {
        /// The instance id
        id: String,
        #[command(flatten)]
        new: NewId,
    },
    /// Delete finished orchestrations and all they have left
    Purge(Purge),
    /// Wait until orchestrations have ended, and show how
    Wait {
        /// The instance ids
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        /// How long to wait at most, such as `30s` or `2h`
        #[arg(long, value_name = "DURATION", value_parser = time::parse_duration)]
        timeout: Option<Duration>,
    },
    /// Count what has not ended by orchestrator, version and code, and tell whether the worker has that code
    #[command(after_help = CENSUS)]
    Census,
    /// Write orchestrations with their histories, one JSON object a line
    Export(Export),
    /// Print a script that completes this command's arguments in a shell
    #[command(after_help = "For bash: dacapo completions bash > ~/.local/share/bash-completion/completions/dacapo")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

impl Command {
    /// The file it writes, if any.
    pub(crate) fn target(&self) -> Option<&Path> {
        match self {
            Self::Show(show) => show.svg.as_deref(),
            Self::Export(export) => export.output.as_deref(),
            _ => None,
        }
    }
}

/// Which orchestrations.
#[derive(Args, Clone)]
pub(crate) struct Filter {
    /// Only instances with this status (comma-separated for several)
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_enum, ignore_case = true)]
    pub(crate) status: Vec<StatusArg>,
    /// Only instances of this orchestrator
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    name: Option<String>,
    /// Only instances whose id starts with PREFIX
    #[arg(long, value_name = "PREFIX", value_parser = NonEmptyStringValueParser::new())]
    prefix: Option<String>,
    /// Only instances created at this time or later
    #[arg(long, value_name = "TIME", value_parser = time::parse_past)]
    created_from: Option<SystemTime>,
    /// Only instances created before this time
    #[arg(long, value_name = "TIME", value_parser = time::parse_past)]
    created_to: Option<SystemTime>,
    /// Only instances with this tag (repeatable; all must match)
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_tag)]
    tag: Vec<(String, String)>,
    /// Only sub-orchestrations of this instance
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    parent: Option<String>,
}

impl Filter {
    pub(crate) fn is_empty(&self) -> bool {
        let Self { status, name, prefix, created_from, created_to, tag, parent } = self;
        let is_narrowed = !status.is_empty() || name.is_some() || prefix.is_some() || parent.is_some() || !tag.is_empty();
        !is_narrowed && created_from.is_none() && created_to.is_none()
    }

    pub(crate) fn query(self, client: &Client) -> Query {
        let mut query = client.query();
        query = self.status.into_iter().fold(query, |query, status| query.status(status.into()));
        query = self.tag.into_iter().fold(query, |query, (name, value)| query.tag(name, value));
        if let Some(name) = self.name {
            query = query.name(name);
        }
        if let Some(prefix) = self.prefix {
            query = query.id_prefix(prefix);
        }
        if let Some(from) = self.created_from {
            query = query.created_from(from);
        }
        if let Some(to) = self.created_to {
            query = query.created_to(to);
        }
        if let Some(parent) = self.parent {
            query = query.parent(parent);
        }
        query
    }
}

#[derive(Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 100, conflicts_with = "all")]
    pub(crate) limit: usize,
    /// All of them
    #[arg(long)]
    pub(crate) all: bool,
    /// Go on where an earlier list has stopped: as it says on standard error, quoted for a shell
    #[arg(long, value_name = "TOKEN")]
    pub(crate) after: Option<String>,
}

#[derive(Args)]
pub(crate) struct Show {
    /// The instance id
    pub(crate) id: String,
    /// Write the timeline as a picture, too
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// How many calls get a line of their own; with more, those of one name share one [default: as fit into the terminal, or 40]
    #[arg(long, value_name = "N")]
    pub(crate) rows: Option<usize>,
    /// How wide the timeline is, in columns [default: as the terminal, or 100]
    #[arg(long, value_name = "COLUMNS")]
    pub(crate) width: Option<u16>,
}

#[derive(Args)]
pub(crate) struct Start {
    /// The name of the orchestrator
    pub(crate) name: String,
    /// The input as JSON, `-` for standard input: the argument, or an object with the names of several
    #[arg(default_value = "null", allow_negative_numbers = true)]
    pub(crate) input: String,
    /// The instance id; without one it is made
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// What to do when the id exists
    #[arg(long, value_enum, value_name = "WAY", default_value_t)]
    pub(crate) reuse_id: ReuseArg,
    /// Start it at this time
    #[arg(long, value_name = "TIME", value_parser = time::parse_time, conflicts_with = "after")]
    pub(crate) at: Option<SystemTime>,
    /// Start it after this time, such as `90s` or `2h`
    #[arg(long, value_name = "DURATION", value_parser = time::parse_duration)]
    pub(crate) after: Option<Duration>,
    /// Label it; may be said several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_tag)]
    pub(crate) tag: Vec<(String, String)>,
    /// The version it must have; needed only before the first worker has opened the store
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) version: Option<u32>,
    /// Wait for its end and print its output
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long to wait at most
    #[arg(long, value_name = "DURATION", value_parser = time::parse_duration, requires = "wait")]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Args)]
pub(crate) struct Target {
    /// The instance ids
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Why; it is recorded
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,
}

#[derive(Args)]
#[group(multiple = false)]
pub(crate) struct NewId {
    /// Start it under this id and leave the earlier one as it is
    #[arg(long = "id", value_name = "NEW")]
    pub(crate) named: Option<String>,
    /// Start it under an id made for it and leave the earlier one as it is
    #[arg(long = "new-id")]
    pub(crate) made: bool,
}

#[derive(Args)]
pub(crate) struct Purge {
    /// The instance ids; without any, what the filters say
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Delete the sub-orchestrations, too
    #[arg(long)]
    pub(crate) recursive: bool,
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// Every finished orchestration, when no filter says less
    #[arg(long)]
    pub(crate) all: bool,
    /// Delete what the filters say; without it, it is only counted
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Args)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// Where to write; without it, standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum StatusArg {
    Pending,
    Running,
    Suspended,
    Completed,
    Failed,
    Terminated,
}

impl From<StatusArg> for Status {
    fn from(status: StatusArg) -> Self {
        match status {
            StatusArg::Pending => Self::Pending,
            StatusArg::Running => Self::Running,
            StatusArg::Suspended => Self::Suspended,
            StatusArg::Completed => Self::Completed,
            StatusArg::Failed => Self::Failed,
            StatusArg::Terminated => Self::Terminated,
        }
    }
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub(crate) enum ReuseArg {
    /// Refuse the start
    #[default]
    Refuse,
    /// Take the one that exists, finished or not
    UseExisting,
    /// Take the place of one that has finished
    ReplaceTerminal,
    /// Take the place of any; an unfinished one is terminated
    ReplaceAny,
}

impl From<ReuseArg> for ReuseId {
    fn from(reuse: ReuseArg) -> Self {
        match reuse {
            ReuseArg::Refuse => Self::Refuse,
            ReuseArg::UseExisting => Self::UseExisting,
            ReuseArg::ReplaceTerminal => Self::ReplaceTerminal,
            ReuseArg::ReplaceAny => Self::ReplaceAny,
        }
    }
}

fn parse_tag(text: &str) -> Result<(String, String), String> {
    let wrong = "expected NAME=VALUE, e.g. tenant=acme";
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or(wrong)?;
    Ok((name.to_owned(), value.to_owned()))
}
