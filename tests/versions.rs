//! Changed code and running orchestrations: versions side by side, patches in place, and the count of who needs what.
//!
//! Builds of one program are modules here, registered by hand.

#[path = "support/wait.rs"]
mod wait;

use dacapo::store::{Event as Recorded, MemoryStore};
use dacapo::{Call, Callable, Client, ErrorKind, Event, Runtime, Status};
use wait::{has_turns, reaches, reported, until};

const GO: Event<()> = Event::new("go");

#[dacapo::activity]
async fn step(name: String) -> String {
    format!("{name}!")
}

mod v1 {
    use super::{GO, step};

    #[dacapo::orchestrator(name = "job")]
    pub(crate) async fn job(n: u32) -> String {
        let first = step(format!("one-{n}")).await;
        GO.wait().await;
        first
    }
}

mod v2 {
    use super::{GO, step};

    #[dacapo::orchestrator(name = "job", version = 2)]
    pub(crate) async fn job(n: u32) -> String {
        GO.wait().await;
        step(format!("two-{n}")).await
    }
}

/// Version 1 again, changed in place twice.
mod patched {
    use super::{GO, step};

    #[dacapo::orchestrator(name = "job")]
    pub(crate) async fn job(n: u32) -> String {
        let mut all = String::new();
        if dacapo::patched("check first") {
            all += &step("check".into()).await;
        }
        all += &step(format!("one-{n}")).await;
        GO.wait().await;
        if dacapo::patched("check last") {
            all += &step("last".into()).await;
        }
        for _ in 0..2 {
            if dacapo::patched("check first") {
                all += "+";
            }
        }
        all
    }
}

/// The old ways are gone.
mod cleaned {
    use super::{GO, step};

    #[dacapo::orchestrator(name = "job")]
    pub(crate) async fn job(n: u32) -> String {
        let mut all = step("check".into()).await;
        all += &step(format!("one-{n}")).await;
        GO.wait().await;
        all += &step("last".into()).await;
        all
    }
}

#[dacapo::orchestrator]
async fn parent(n: u32) -> String {
    v1::job(n).id("child").await
}

struct Build(dacapo::Builder);

fn build(store: &MemoryStore) -> Build {
    Build(Runtime::with_store(store.clone()).only_registered().register(step).register(parent))
}

impl Build {
    fn with<A, C: Call>(self, function: impl Callable<A, Call = C>) -> Self {
        Self(self.0.register(function))
    }

    async fn open(self) -> Runtime {
        self.0.open().await.expect("it opens")
    }
}

#[tokio::test]
async fn an_instance_stays_on_its_version_and_new_ones_take_the_highest() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let first = build(&store).with(v1::job).open().await;
    first.start(v1::job(1)).id("old").await?;
    has_turns(&first, "old", 2).await;
    drop(first);

    let both = build(&store).with(v2::job).with(v1::job).open().await;
    both.start(v2::job(2)).id("new").await?;
    both.start(v1::job(3)).id("newest").await?;
    both.start(parent(4)).id("parent").await?;
    reaches(&both, "child", Status::Running).await;
    for (id, version) in [("old", 1), ("new", 2), ("newest", 2), ("child", 2)] {
        assert_eq!(both.status(id).await?.version(), version, "{id}");
    }
    drop(both);

    let both = build(&store).with(v1::job).with(v2::job).open().await;
    for id in ["old", "new", "newest", "child"] {
        both.raise(id, GO, ()).await?;
    }
    assert_eq!(both.attach(v1::job, "old").result().await?, "one-1!");
    assert_eq!(both.attach(v2::job, "new").result().await?, "two-2!");
    assert_eq!(both.attach(v2::job, "newest").result().await?, "two-3!");
    assert_eq!(both.attach(parent, "parent").result().await?, "two-4!");
    Ok(())
}

#[tokio::test]
async fn a_version_that_is_gone_parks_its_instances_until_it_is_back() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let first = build(&store).with(v1::job).open().await;
    first.start(v1::job(1)).id("old").await?;
    has_turns(&first, "old", 2).await;
    drop(first);

    let second = build(&store).with(v2::job).open().await;
    second.raise("old", GO, ()).await?;
    let status = reported(&second, "old").await;
    let report = status.report().expect("it says why");
    assert!(
        report.contains("version 1 of the orchestrator `job` is not registered in this process; registered versions: 2"),
        "{report}"
    );
    drop(second);

    let third = build(&store).with(v1::job).with(v2::job).open().await;
    assert_eq!(third.attach(v1::job, "old").result().await?, "one-1!", "the event was kept");
    Ok(())
}

#[tokio::test]
async fn two_of_one_name_and_version_are_refused() {
    let store = MemoryStore::new();
    let build = build(&store).with(v1::job).with(patched::job);
    let Err(error) = build.0.open().await else { panic!("it opened with two versions 1") };
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("or say which is newer with `version = 2`"), "{error}");
}

#[tokio::test]
async fn a_client_elsewhere_starts_the_version_it_was_built_with() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let client = Client::connect_store(std::sync::Arc::new(store.clone()))?;
    client.start(v1::job(1)).id("one").await?;
    client.start(v2::job(1)).id("two").await?;
    let runtime = build(&store).with(v1::job).with(v2::job).open().await;
    client.raise("one", GO, ()).await?;
    client.raise("two", GO, ()).await?;
    assert_eq!(runtime.attach(v1::job, "one").result().await?, "one-1!");
    assert_eq!(runtime.attach(v2::job, "two").result().await?, "two-1!");
    Ok(())
}

#[tokio::test]
async fn a_patch_is_new_for_what_comes_later_and_old_for_what_was() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let first = build(&store).with(v1::job).open().await;
    first.start(v1::job(1)).id("before").await?;
    has_turns(&first, "before", 2).await;
    drop(first);

    let second = build(&store).with(patched::job).open().await;
    second.start(patched::job(2)).id("after").await?;
    has_turns(&second, "after", 3).await;
    drop(second);

    let third = build(&store).with(patched::job).open().await;
    third.raise("before", GO, ()).await?;
    third.raise("after", GO, ()).await?;
    let before = third.attach(patched::job, "before").result().await?;
    assert_eq!(before, "one-1!last!", "it was past the first patch and had not come to the second; one name has one answer");
    assert_eq!(third.attach(patched::job, "after").result().await?, "check!one-2!last!++");
    let history = third.history("before").await?;
    let patches: Vec<_> = history
        .iter()
        .flat_map(|turn| &turn.events)
        .filter_map(|event| match event {
            Recorded::Patched { name } => Some(name.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(patches, ["check last"]);
    Ok(())
}

#[tokio::test]
async fn a_patch_that_nobody_asks_for_any_more_is_no_difference() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let first = build(&store).with(patched::job).open().await;
    first.start(patched::job(1)).id("job").await?;
    has_turns(&first, "job", 3).await;
    drop(first);
    let second = build(&store).with(cleaned::job).open().await;
    second.raise("job", GO, ()).await?;
    assert_eq!(second.attach(cleaned::job, "job").result().await?, "check!one-1!last!");
    Ok(())
}

#[tokio::test]
async fn a_census_says_which_code_is_still_needed() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let first = build(&store).with(v1::job).open().await;
    first.start(v1::job(1)).id("one").await?;
    drop(first);
    let second = build(&store).with(v1::job).with(v2::job).open().await;
    for id in ["two", "three"] {
        second.start(v2::job(1)).id(id).await?;
    }
    let count = async || {
        let census = second.census().await.expect("it is readable");
        census.into_iter().map(|row| (row.name, row.version, row.instances)).collect::<Vec<_>>()
    };
    assert_eq!(count().await, [("job".to_owned(), 1, 1), ("job".to_owned(), 2, 2)]);
    second.raise("one", GO, ()).await?;
    second.attach(v1::job, "one").result().await?;
    assert_eq!(count().await, [("job".to_owned(), 2, 2)], "version 1 can go");
    assert_ne!(second.census().await?[0].shape, 0);
    Ok(())
}

#[dacapo::orchestrator(name = "eternal")]
async fn eternal_1(n: u32) -> u32 {
    GO.wait().await;
    dacapo::continue_as_new(eternal_2(n + 1)).await
}

#[dacapo::orchestrator(name = "eternal", version = 2)]
async fn eternal_2(n: u32) -> u32 {
    GO.wait().await;
    n
}

#[tokio::test]
async fn an_execution_can_move_to_the_next_version() -> dacapo::Result<()> {
    let store = MemoryStore::new();
    let first = build(&store).with(eternal_1).open().await;
    first.start(eternal_1(1)).id("eternal").await?;
    drop(first);
    let second = build(&store).with(eternal_1).with(eternal_2).open().await;
    assert_eq!(second.status("eternal").await?.version(), 1);
    second.raise("eternal", GO, ()).await?;
    until("the other version", async || second.status("eternal").await.is_ok_and(|status| status.version() == 2)).await;
    drop(second);
    let third = build(&store).with(eternal_2).open().await;
    third.raise("eternal", GO, ()).await?;
    assert_eq!(third.attach(eternal_2, "eternal").result().await?, 2);
    Ok(())
}
