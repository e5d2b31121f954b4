//! `dacapo`: looks at the orchestrations of a store and manages them, beside the worker that runs them.
//!
//! `cli` is the command line; each command is a function of `inspect`, `manage`, `run` or `export`, which ask a [`dacapo::Client`];
//! `timeline` makes a history into what `show` draws; `recorded`, `output` and `time` are how things are written.

mod cli;
mod end;
mod export;
mod inspect;
mod manage;
mod output;
mod recorded;
mod run;
mod store;
mod time;
mod timeline;
mod view;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use cli::{Cli, Command};
use end::End;

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.color.write_global();
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match executor {
        Ok(executor) => executor.block_on(run(cli)),
        Err(error) => Err(error.into()),
    };
    let end = ended.unwrap_or_else(|error| {
        output::complain(&error);
        End::Refused
    });
    end.into()
}

async fn run(cli: Cli) -> dacapo::Result<End> {
    if let Command::Completions { shell } = cli.command {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "dacapo", &mut script);
        output::print(&String::from_utf8_lossy(&script))?;
        return Ok(End::Done);
    }
    let client = store::connect(cli.store.as_deref()).await?;
    if let Some(target) = cli.command.target() {
        store::check_target(cli.store.as_deref(), target)?;
    }
    let json = cli.json;
    match cli.command {
        Command::List(list) => inspect::list(&client, list, json).await,
        Command::Show(show) => inspect::show(&client, &show, json).await,
        Command::History { id } => inspect::history(&client, &id, json).await,
        Command::Census => inspect::census(&client, json).await,
        Command::Start(start) => run::start(&client, start, json).await,
        Command::Raise { id, event, value } => run::raise(&client, &id, &event, value, json).await,
        Command::Wait { ids, timeout } => run::wait(&client, ids, timeout, json).await,
        Command::Suspend(target) => manage::each(&client, target, manage::Action::Suspend, json).await,
        Command::Resume { target, without_event } => manage::resume(&client, target, &without_event, json).await,
        Command::Terminate(target) => manage::each(&client, target, manage::Action::Terminate, json).await,
        Command::Rewind(target) => manage::each(&client, target, manage::Action::Rewind, json).await,
        Command::Restart { id, new } => manage::restart(&client, id, new, json).await,
        Command::Purge(purge) => manage::purge(&client, purge, json).await,
        Command::Export(export) => export::export(&client, export, json).await,
        Command::Completions { .. } => Ok(End::Done),
    }
}
