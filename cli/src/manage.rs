//! What changes an orchestration that exists: `suspend`, `resume`, `terminate`, `rewind`, `restart`, `purge`.

use dacapo::{Client, ErrorKind, Query, RuntimeError, Status};
use futures::{StreamExt as _, stream};
use serde_json::json;

use crate::cli::{NewId, Purge, Target};
use crate::end::End;
use crate::inspect::PAGE;
use crate::output;
use crate::run::taken;

#[derive(Clone, Copy)]
pub(crate) enum Action {
    Suspend,
    Terminate,
    Rewind,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Terminate => "terminate",
            Self::Rewind => "rewind",
        }
    }

    async fn ask(self, client: &Client, id: &str, reason: &str) -> Result<(), RuntimeError> {
        match self {
            Self::Suspend => client.suspend(id, reason).await,
            Self::Terminate => client.terminate(id, reason).await,
            Self::Rewind => client.rewind(id, reason).await,
        }
    }
}

/// Asks for the same of each. What is refused does not keep the others from it.
pub(crate) async fn each(client: &Client, target: Target, action: Action, json: bool) -> dacapo::Result<End> {
    let mut answers = Vec::new();
    for id in target.ids {
        let asked = action.ask(client, &id, &target.reason).await;
        answers.push((id, asked.map(|()| format!("asked to {}", action.name()))));
    }
    report(answers, json)
}

/// The same for `resume`.
pub(crate) async fn resume(client: &Client, target: Target, without_events: &[u64], json: bool) -> dacapo::Result<End> {
    let mut answers = Vec::new();
    for id in target.ids {
        let request = client.resume(&id, &target.reason);
        let asked = without_events.iter().fold(request, |request, number| request.without_event(*number)).await;
        answers.push((id, asked.map(|()| "asked to resume".to_owned())));
    }
    report(answers, json)
}

/// Tells of each what was done, or why it was not.
fn report(answers: Vec<(String, Result<String, RuntimeError>)>, json: bool) -> dacapo::Result<End> {
    let end = if answers.iter().all(|(_, answer)| answer.is_ok()) { End::Done } else { End::Refused };
    if json {
        let rows = answers.iter().map(|(id, answer)| match answer {
            Ok(done) => json!({ "instanceId": id, "done": done }),
            Err(error) => json!({ "instanceId": id, "error": error.to_string() }),
        });
        output::print_json(&rows.collect::<Vec<_>>())?;
        return Ok(end);
    }
    for (id, answer) in answers {
        match answer {
            Ok(done) => output::print(&format!("{id}: {done}\n"))?,
            Err(error) => output::complain(&error),
        }
    }
    Ok(end)
}

pub(crate) async fn restart(client: &Client, id: String, new: NewId, json: bool) -> dacapo::Result<End> {
    let request = client.restart(id);
    let request = match new {
        NewId { named: Some(new), .. } => request.id(new),
        NewId { made: true, .. } => request.new_id(),
        NewId { .. } => request,
    };
    let way_out = "start it under another id with `--id` or `--new-id`";
    let id = request.await.map_err(|error| taken(&error, way_out))?;
    if json {
        output::print_json(&json!({ "instanceId": id }))?
    } else {
        output::print(&format!("{id}\n"))?
    }
    Ok(End::Done)
}

pub(crate) async fn purge(client: &Client, purge: Purge, json: bool) -> dacapo::Result<End> {
    if !purge.ids.is_empty() {
        if !purge.filter.is_empty() || purge.all {
            return Err(dacapo::Error::msg("name instances, or say which by filters, not both"));
        }
        let mut answers = Vec::new();
        for id in purge.ids {
            let purged = purge_one(client, &id, purge.recursive).await;
            answers.push((id, purged.map(|count| format!("{count} purged"))));
        }
        return report(answers, json);
    }
    if purge.filter.is_empty() && !purge.all {
        return Err(dacapo::Error::msg("name instances, or filters such as `--status failed --created-to 30d`, or `--all`"));
    }
    if let Some(status) = purge.filter.status.iter().map(|status| Status::from(*status)).find(|status| !status.is_terminal()) {
        return Err(dacapo::Error::msg(format!(
            "what is {status} cannot be purged; only what has ended can: terminate it first"
        )));
    }
    let names_a_status = !purge.filter.status.is_empty();
    let mut query = purge.filter.query(client).page_size(PAGE);
    if !names_a_status {
        query = query.finished();
    }
    if !purge.yes {
        let count = count(query).await?;
        if json {
            output::print_json(&json!({ "wouldPurge": count }))?;
        } else {
            output::print(&format!("{count} would be purged; say `--yes` to do it\n"))?;
        }
        return Ok(End::Done);
    }
    let Purged { purged, left } = purge_all(client, query, purge.recursive).await?;
    if json {
        output::print_json(&json!({ "purged": purged, "left": left }))?;
    } else {
        output::print(&format!("{purged} purged\n"))?;
        if left > 0 {
            output::remark(format_args!("{left} left: each belongs to one that has not ended"));
        }
    }
    Ok(End::Done)
}

async fn count(query: Query) -> Result<u64, RuntimeError> {
    let (mut count, mut next) = (0, Some(query.clone()));
    while let Some(page) = next {
        let page = page.await?;
        count += page.instances().len() as u64;
        next = page.next().map(|token| query.clone().after(token));
    }
    Ok(count)
}

#[derive(Default)]
struct Purged {
    purged: u64,
    left: u64,
}

/// Purges what a query is about, many at once, so that they share commits.
async fn purge_all(client: &Client, query: Query, recursive: bool) -> dacapo::Result<Purged> {
    let bar = output::progress(Some(count(query.clone()).await?), "purging");
    let (mut done, mut next) = (Purged::default(), Some(query.clone()));
    while let Some(page) = next {
        let page = page.await?;
        next = page.next().map(|token| query.clone().after(token));
        let ids = page.instances().iter().map(|instance| instance.instance_id().to_owned());
        let mut purging = stream::iter(ids).map(|id| async move { purge_one(client, &id, recursive).await }).buffer_unordered(64);
        while let Some(purged) = purging.next().await {
            match purged {
                Ok(count) => done.purged += count,
                Err(error) if error.kind() == ErrorKind::Unfinished => done.left += 1,
                // It went with its caller, or somebody else has done it.
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(done)
}

async fn purge_one(client: &Client, id: &str, recursive: bool) -> Result<u64, RuntimeError> {
    let request = client.purge(id);
    if recursive { request.recursive().await } else { request.await }
}
