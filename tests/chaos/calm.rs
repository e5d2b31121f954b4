//! What happens when the disk is whole again: every question is answered, every run ends, and nothing is left over.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use dacapo::{Client, ErrorKind, InstanceStatus, RuntimeError, Status};

use crate::journal::Kind;
use crate::ledger::{Expected, Ledger};
use crate::orchestrations::{NUMBER, Tally, payloads};
use crate::worker::{balance, mend};

/// How long everything may take, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(90);

/// Events that are raised when all is calm have numbers from here on.
const LATE: u64 = 1 << 60;

/// Brings every run to its end as a client of another process. `listen` enters what the worker has written since into the ledger.
pub(crate) async fn settle(
    folder: &Path,
    ledger: &mut Ledger,
    tally: &mut u64,
    mut listen: impl FnMut(&mut Ledger),
) -> Result<(), RuntimeError> {
    let url = format!("sqlite:{}", folder.join("chaos.db").display());
    let client = Client::connect(&url).await?.payloads(payloads());
    let begun = Instant::now();
    let is_late = || begun.elapsed() > PATIENCE;
    let mut settled = BTreeSet::new();
    let settler = Settler { client: &client, folder };
    loop {
        listen(ledger);
        let open: Vec<String> = ledger.runs.keys().filter(|id| !settled.contains(*id)).cloned().collect();
        if open.is_empty() && ledger.is_quiet {
            break;
        }
        if is_late() {
            for id in &open {
                let status = client.status(id).await.map(|status| (status.runtime_status(), status.report().map(str::to_owned)));
                let told = (status, client.history(id).await);
                ledger.wrong.push(format!("{id} does not end: {:?} {told:?}", ledger.runs[id]));
            }
            let unanswered: Vec<String> = ledger.unanswered().iter().map(|ask| format!("{ask:?} is not answered")).collect();
            ledger.wrong.extend(unanswered);
            return Ok(());
        }
        // Sub-orchestrations, too, whose activities were there at many kills.
        for parked in client.query().status(Status::Suspended).await?.instances() {
            ledger.judge_report(parked);
            drop(client.resume(parked.instance_id(), "it is calm").await);
        }
        for id in open {
            let is_settled = match client.status(&id).await {
                Err(error) if error.is_not_found() => {
                    // What was said before it went stands in the journal.
                    listen(ledger);
                    let is_lost = ledger.is_quiet && ledger.runs[&id].must_exist();
                    ledger.wrong.extend(is_lost.then(|| format!("{id} was started and is lost: {:?}", ledger.runs[&id])));
                    ledger.is_quiet
                }
                status => settler.is_settled(&id, status?, ledger).await?,
            };
            if is_settled {
                settled.insert(id);
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for (id, run) in &ledger.runs {
        let early = || run.raised.iter().filter(|(value, _)| **value < LATE);
        let missing: Vec<_> = early().filter(|(value, is_ok)| **is_ok && !run.taken.contains(value)).collect();
        if !run.taken.is_empty() && early().count() as u64 <= run.n && !missing.is_empty() {
            ledger.wrong.push(format!("{id} never took {missing:?}, which were raised: {run:?}"));
        }
    }
    for schedule in client.schedules().await? {
        let deleted = tokio::time::timeout(PATIENCE, client.schedule(schedule.name()).delete()).await;
        if !deleted.as_ref().is_ok_and(|deleted| deleted.as_ref().map_or_else(RuntimeError::is_not_found, |()| true)) {
            ledger.wrong.push(format!("the schedule {} cannot be deleted: {deleted:?}", schedule.name()));
        }
    }
    loop {
        let left = client.query().status(Status::Pending).status(Status::Running).status(Status::Suspended).await?;
        if left.instances().is_empty() {
            break;
        }
        if is_late() {
            let ids =
                left.instances().iter().map(|left| (left.instance_id(), left.name(), left.runtime_status(), left.parent_id()));
            ledger.wrong.push(format!("these never end: {:?}", ids.collect::<Vec<_>>()));
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (least, most) = (*tally + ledger.tallied.0, *tally + ledger.tallied.1);
    *tally = loop {
        let count = client.state_of::<Tally>("of all").await?.map_or(0, |tally| tally.count);
        if count >= least || is_late() {
            break count;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    if !(least..=most).contains(tally) {
        ledger.wrong.push(format!("{tally} signals took effect, and {least} to {most} were sent"));
    }
    let balance = balance(&client).await?;
    if balance != 0 {
        ledger.wrong.push(format!("the accounts have {balance} coins too many"));
    }
    let ended = client.query().status(Status::Completed).status(Status::Failed).status(Status::Terminated);
    tokio::time::timeout(PATIENCE, ended.purge()).await.expect("what has ended is purged in time")?;
    Ok(())
}

struct Settler<'s> {
    client: &'s Client,
    folder: &'s Path,
}

impl Settler<'_> {
    /// Does what brings a run to its end, from the status that it has.
    async fn is_settled(&self, id: &str, status: InstanceStatus, ledger: &mut Ledger) -> Result<bool, RuntimeError> {
        if status.runtime_status() == Status::Suspended {
            ledger.judge_report(&status);
        }
        let run = ledger.runs.get_mut(id).expect("it is known");
        let done = match status.runtime_status() {
            // Also one that an old build has parked, or whose activity was there at many kills.
            Status::Suspended => self.client.resume(id, "it is calm").await,
            Status::Failed if run.kind == Kind::Fragile => {
                mend(self.folder, id);
                self.client.rewind(id, "it is mended").await
            }
            Status::Running if run.kind == Kind::Forever => self.client.terminate(id, "it is calm").await,
            Status::Running if run.kind == Kind::Collect && ledger.is_quiet => {
                let value = LATE + run.raised.range(LATE..).count() as u64;
                if value > LATE + run.n {
                    return Ok(false);
                }
                run.raised.insert(value, false);
                self.client.raise(id, NUMBER, value).await
            }
            Status::Completed | Status::Failed | Status::Terminated => {
                if let Some(wrong) = judge(run, &status) {
                    ledger.wrong.push(format!("{id}: {wrong}: {run:?}"));
                }
                return Ok(true);
            }
            _ => Ok(()),
        };
        match done {
            // It has changed since it was looked at.
            Err(error) if error.kind() != ErrorKind::Store => Ok(false),
            done => done.map(|()| false),
        }
    }
}

/// What is wrong with the end of a run.
fn judge(run: &mut Expected, status: &InstanceStatus) -> Option<String> {
    let ended = (status.runtime_status(), status.output().map(|output| output.as_str()), status.failure());
    let output = status.output();
    let is_right = match status.runtime_status() {
        Status::Terminated => run.may_be_terminated || run.kind == Kind::Forever,
        Status::Completed if run.kind == Kind::Collect => {
            let taken: Vec<u64> = output.and_then(|output| output.decode().ok()).unwrap_or_default();
            run.taken = taken.iter().copied().collect();
            run.taken.len() == taken.len()
                && taken.len() as u64 == run.n
                && run.taken.iter().all(|value| run.raised.contains_key(value))
        }
        // One that is replaced again and again returns what one of its starts asks for.
        Status::Completed if run.may_be_terminated => true,
        Status::Completed => {
            output.and_then(|output| output.decode().ok()).is_some_and(|output| run.kind.may_return(run.n, output))
        }
        _ => false,
    };
    (!is_right).then(|| format!("{ended:?}"))
}
