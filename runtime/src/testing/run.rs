//! One orchestration of a test.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use crate::client::InstanceStatus;
use crate::kernel::engine::execution::Execution;
use crate::kernel::function::{Function, Recorded, Returned, Storable};
use crate::orchestration::event::Event;
use crate::registry::Registry;
use crate::store::Turn;
use crate::testing::driver::Stuck;
use crate::testing::harness::{Harness, expect};
use crate::testing::histories;
use crate::testing::store::name;

/// An orchestration that a [`Harness`] has started.
pub struct Run<'h, F: Function> {
    harness: &'h Harness,
    id: String,
    function: PhantomData<fn() -> F>,
}

impl<'h, F: Function> Run<'h, F> {
    pub(super) fn new(harness: &'h Harness, id: String) -> Self {
        Self { harness, id, function: PhantomData }
    }

    /// Its instance id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Runs it to its end and gives the declared result, as [`Handle::result`](crate::Handle::result) does.
    ///
    /// Whenever nothing but timers is left to wait for, the clock goes to the earliest of them at once.
    ///
    /// # Panics
    /// When it waits for something that does not come; when it is parked, with the report; when an activity is called that is not
    /// mocked; when it has not ended after a minute of real time.
    #[track_caller]
    pub fn result(&self) -> <F::Kind as Returned<F::Output>>::Result {
        let driver = &self.harness.driver;
        let driven = driver.block_on(driver.drive(Harness::FOREVER, Some(&self.id), |client| {
            let run = crate::worker::run::Run::any(&self.id);
            async move { client.outcome(&run).await }
        }));
        match expect(driven) {
            Some(Ok(recorded)) => F::Kind::result(recorded),
            Some(Err(error)) => panic!("{error}"),
            None => panic!("{}", self.waits_in_vain()),
        }
    }

    /// Raises an external event, and lets everything happen that follows without time passing.
    ///
    /// # Panics
    /// When it has ended, or an activity is called that is not mocked.
    #[track_caller]
    pub fn raise<T: Storable>(&self, event: Event<T>, value: T) {
        let id = &self.id;
        let raised = self.harness.driver.request(false, async |client| client.raise(id, event, value).await);
        if let Err(error) = expect(raised) {
            panic!("{error}")
        }
    }

    /// Ends it from outside, and lets everything happen that follows.
    ///
    /// # Panics
    /// When it has ended already.
    #[track_caller]
    pub fn terminate(&self, reason: &str) {
        let id = &self.id;
        let terminated = self.harness.driver.request(false, async |client| client.terminate(id, reason).await);
        if let Err(error) = expect(terminated) {
            panic!("{error}")
        }
    }

    /// What is known of it.
    #[track_caller]
    #[must_use]
    pub fn status(&self) -> InstanceStatus {
        let id = &self.id;
        match self.harness.client(async |client| client.status(id).await) {
            Ok(status) => status,
            Err(error) => panic!("{error}"),
        }
    }

    /// Its history: its turns, from the first on.
    #[track_caller]
    #[must_use]
    pub fn history(&self) -> Vec<Turn> {
        let id = &self.id;
        match self.harness.client(async |client| client.history(id).await) {
            Ok(history) => history,
            Err(error) => panic!("{error}"),
        }
    }

    /// Plays the recorded history against the code again, as a restart does, and compares every call and the result.
    ///
    /// # Panics
    /// With the report, when the code does something else than it has done.
    #[track_caller]
    pub fn replay(&self) {
        let recorded = self.history();
        let execution = expect(self.played(recorded.clone()));
        let ended = recorded.iter().flat_map(|turn| &turn.events).last().and_then(|event| event.outcome());
        if let Some(ended) = ended
            && let Some(again) = execution.outcome()
            && *again != ended
        {
            panic!(
                "`{}` of `{}` ends otherwise when its history is played again\n  recorded: {}\n  now:      {}\n  it keeps something \
                 outside its arguments and the results of its calls, such as a `static` or a cache",
                F::NAME,
                self.id,
                shown(&ended),
                shown(again)
            );
        }
    }

    /// Writes its history into a folder, for [`replay_dir`](crate::testing::replay_dir).
    ///
    /// # Panics
    /// When the file cannot be written.
    #[track_caller]
    pub fn record(&self, folder: impl AsRef<Path>) -> PathBuf {
        match histories::write(folder.as_ref(), F::NAME, &self.id, self.history()) {
            Ok(path) => path,
            Err(error) => panic!("{error}"),
        }
    }

    fn played(&self, history: Vec<Turn>) -> Result<Execution, Stuck> {
        let registry = Registry::collect(true, &[], &[]).map_err(|error| error.to_string())?;
        histories::replay(&registry, &self.id, history, true)
    }

    #[track_caller]
    fn waits_in_vain(&self) -> String {
        let history = self.history();
        let events: Vec<_> = history.iter().flat_map(|turn| &turn.events).map(name).collect();
        let awaited = self.played(history);
        let awaited = awaited.as_ref().map(Execution::awaited_events).unwrap_or_default();
        let what = match &awaited[..] {
            [] => "something that does not come: no activity is at work and no timer is set".to_owned(),
            [event] => {
                format!("the event `{event}`, which nobody raises; raise it with `run.raise(event, value)` before the result")
            }
            several => format!("one of the events `{}`, which nobody raises", several.join("`, `")),
        };
        format!("`{}` of `{}` waits for {what}\n  its history: {}", F::NAME, self.id, events.join(", "))
    }
}

fn shown(outcome: &Recorded) -> String {
    match outcome {
        Ok(result) => result.to_string(),
        Err(failure) => format!("failed: {failure}"),
    }
}
