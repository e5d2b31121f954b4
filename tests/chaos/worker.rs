//! The process that is killed: a worker, and clients that ask it for one thing after the other.

use std::path::Path;
use std::time::Duration;

use dacapo::store::Synchronous;
use dacapo::{Builder, Client, Failure, Retention, ReuseId, Runtime, RuntimeError, Timetable};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::journal::{self, Ask, Entry, Journal, Kind};
use crate::orchestrations::{
    Account, NUMBER, Outside, Tally, beats, brittle, chain, collect, fan, finish, first, forever, fragile, large, parent,
    payloads, second_try, step, ticks, transfer, waits,
};

/// How many clients ask at once.
const CLIENTS: u64 = 6;

/// Runs until it is killed, or until there is a file `calm`, when it goes on working and asks for nothing more.
pub(crate) async fn work(folder: &Path, round: u64, seed: u64) {
    let path = folder.join("journal");
    Journal::mend(&path);
    let mut random = StdRng::seed_from_u64(seed);
    let outside = || Outside { journal: Journal::open(&path), folder: folder.to_owned() };
    let journal = Journal::open(&path);
    let synchronous = if random.random_bool(0.7) { Synchronous::Full } else { Synchronous::Normal };
    let builder = Runtime::builder("sqlite:chaos.db");
    let builder = if is_old(round) { old(builder) } else { builder };
    let opened = builder
        .state(outside())
        .payloads(payloads())
        .synchronous(synchronous)
        .retention(Retention::completed(Duration::from_secs(1)))
        .max_loaded_instances(random.random_range(3..60))
        .max_concurrent_activities(12)
        .cancel_grace(Duration::from_millis(20))
        .open()
        .await;
    let runtime = match opened {
        Ok(runtime) => runtime,
        Err(error) => return journal.write(&Entry::Refused(error.to_string())),
    };
    journal.write(&Entry::Opened);
    let known: Vec<(String, Kind)> = journal::read(&path, 0).iter().filter_map(started).collect();
    let clients = (0..CLIENTS).map(|number| {
        let random = StdRng::seed_from_u64(seed.wrapping_mul(31).wrapping_add(number));
        let next = round << 16 | number << 12;
        let asker = Asker { client: runtime.client(), outside: outside(), random, known: known.clone(), next };
        tokio::spawn(asker.ask_until_calm())
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("a client does not panic");
    }
    journal.write(&Entry::Quiet);
    std::future::pending::<()>().await;
}

/// Every third build is an old one.
pub(crate) fn is_old(round: u64) -> bool {
    round % 3 == 2
}

/// The build before there was a second version.
fn old(builder: Builder) -> Builder {
    let activities =
        builder.register(step).register(finish).register(beats).register(large).register(second_try).register(brittle);
    let some = activities.register(chain).register(fan).register(parent).register(transfer).register(collect).register(fragile);
    let all = some.register(waits).register(forever).register(first).register(ticks);
    all.register_entity::<Account>().register_entity::<Tally>().only_registered()
}

/// The run that an entry asks for.
pub(crate) fn started(entry: &Entry) -> Option<(String, Kind)> {
    match entry {
        Entry::Asked(_, Ask::Start { id, kind, .. }) => Some((id.clone(), *kind)),
        _ => None,
    }
}

struct Asker {
    client: Client,
    outside: Outside,
    random: StdRng,
    /// Which runs there may be.
    known: Vec<(String, Kind)>,
    /// The number of the next question.
    next: u64,
}

impl Asker {
    async fn ask_until_calm(mut self) {
        while !self.outside.folder.join("calm").exists() {
            let ask = self.choose();
            if let Some(run) = started(&Entry::Asked(0, ask.clone())) {
                self.known.push(run);
            }
            let number = self.next;
            self.next += 1;
            self.outside.journal.write(&Entry::Asked(number, ask.clone()));
            let answer = match self.ask(&ask).await {
                Ok(()) => Entry::Ok(number),
                Err(error) => Entry::Err(number, format!("{:?}: {error}", error.kind())),
            };
            let is_started = matches!(answer, Entry::Ok(_));
            self.outside.journal.write(&answer);
            if let Ask::Start { id, kind, n } = ask
                && is_started
                && kind.is_finite()
                && self.random.random_bool(0.6)
            {
                self.wait(id, kind, n).await;
            }
        }
    }

    fn choose(&mut self) -> Ask {
        let id = format!("{:x}", self.next);
        let dice = self.random.random_range(0..100);
        let what = ["create", "trigger", "pause", "resume", "delete"].choose(&mut self.random).expect("there are some");
        let mut some = |which: fn(&Kind) -> bool| {
            let those: Vec<_> = self.known.iter().filter(|(_, kind)| which(kind)).collect();
            those.choose(&mut self.random).map(|(id, _)| id.clone())
        };
        let asked = match dice {
            0..35 => None,
            35..60 => some(|kind| *kind == Kind::Collect).map(|id| Ask::Raise { id, value: self.next }),
            60..66 => some(|kind| *kind == Kind::Forever).map(|id| Ask::Terminate { id }),
            66..72 => some(|kind| *kind == Kind::Fragile).map(|id| Ask::Rewind { id }),
            72..76 => some(|_| true).map(|id| Ask::Suspend { id }),
            76..80 => some(|_| true).map(|id| Ask::Resume { id }),
            80..84 => some(|kind| kind.is_finite()).map(|of| Ask::Restart { id: of, new: id.clone() }),
            84..88 => some(|kind| kind.is_finite()).map(|id| Ask::Purge { id }),
            88..93 => Some(Ask::Replace { id: format!("slot-{}", self.next % 3), n: self.next % 7 + 1 }),
            93..97 => Some(Ask::Tally),
            _ => Some(Ask::Schedule { name: format!("s{}", self.next % 2), what: (*what).to_owned() }),
        };
        let kind = *Kind::ALL.choose(&mut self.random).expect("there are some");
        asked.unwrap_or_else(|| Ask::Start { id, kind, n: self.random.random_range(1..9) })
    }

    async fn ask(&self, ask: &Ask) -> Result<(), RuntimeError> {
        let client = &self.client;
        match ask {
            Ask::Start { id, kind, n } => match kind {
                Kind::Chain => client.start(chain(*n)).id(id).tag("kind", "chain").await.map(drop),
                Kind::Fan => client.start(fan(*n)).id(id).await.map(drop),
                Kind::Parent => client.start(parent(*n)).id(id).await.map(drop),
                Kind::Transfer => client.start(transfer(*n)).id(id).await.map(drop),
                Kind::Collect => client.start(collect(*n, Vec::new())).id(id).await.map(drop),
                Kind::Fragile => client.start(fragile(*n)).id(id).await.map(drop),
                Kind::Forever => client.start(forever(*n)).id(id).await.map(drop),
                Kind::Versioned => client.start(first(*n)).id(id).after(Duration::from_millis(*n)).await.map(drop),
            },
            Ask::Replace { id, n } => client.start(chain(*n)).id(id).reuse_id(ReuseId::ReplaceAny).await.map(drop),
            Ask::Raise { id, value } => client.raise(id, NUMBER, *value).await,
            Ask::Terminate { id } => client.terminate(id, "no longer needed").await,
            Ask::Suspend { id } => client.suspend(id, "a pause").await,
            Ask::Resume { id } => client.resume(id, "it goes on").await,
            Ask::Rewind { id } => {
                mend(&self.outside.folder, id);
                client.rewind(id, "it is mended").await
            }
            Ask::Restart { id, new } => client.restart(id).id(new).await.map(drop),
            Ask::Purge { id } => client.purge(id).recursive().await.map(drop),
            Ask::Tally => client.signal(Tally::at("of all").add(1)).await,
            Ask::Schedule { name, what } => {
                let schedule = client.schedule(name);
                match what.as_str() {
                    "create" => schedule.create(Timetable::every(Duration::from_millis(200)), ticks(1)).await.map(drop),
                    "trigger" => schedule.trigger().await,
                    "pause" => schedule.pause("a pause").await,
                    "resume" => schedule.resume().await,
                    _ => schedule.delete().await,
                }
            }
        }
    }

    /// Waits for the end of a run and writes down what it returned.
    async fn wait(&self, id: String, kind: Kind, n: u64) {
        let client = &self.client;
        let said = |failure: Failure| format!("{:?}: {failure}", failure.kind());
        let other = |error: dacapo::Error| error.to_string();
        let output = match kind {
            Kind::Chain => client.attach(chain, &id).result().await.map_err(said),
            Kind::Fan => client.attach(fan, &id).result().await.map_err(other),
            Kind::Parent => client.attach(parent, &id).result().await.map_err(said),
            Kind::Transfer => client.attach(transfer, &id).result().await.map(|left| left.unsigned_abs()).map_err(said),
            Kind::Versioned => client.attach(first, &id).result().await.map_err(said),
            Kind::Collect | Kind::Fragile | Kind::Forever => unreachable!("{kind:?} does not end by itself, {n}"),
        };
        self.outside.journal.write(&Entry::Returned { id, output });
    }
}

/// Makes the activity of a fragile run succeed.
pub(crate) fn mend(folder: &Path, id: &str) {
    let mended = folder.join("mended");
    std::fs::create_dir_all(&mended).and_then(|()| std::fs::write(mended.join(id), "")).expect("the file can be made");
}

/// The coins of all accounts together, which come and go in pairs.
pub(crate) async fn balance(client: &Client) -> Result<i64, RuntimeError> {
    let mut sum = 0;
    for account in 0..5 {
        sum += client.state_of::<Account>(&account.to_string()).await?.map_or(0, |account| account.balance);
    }
    Ok(sum)
}
