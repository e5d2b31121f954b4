//! An id never looks like another one by characters that nobody sees.

use std::time::Duration;

use dacapo::{ErrorKind, Failure, Runtime, Timetable, entity, orchestrator};
use serde::{Deserialize, Serialize};

/// The bidirectional controls of Unicode (UAX #9), the ends of lines that are no control characters, and some of those.
const HIDDEN: [char; 17] = [
    '\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}',
    '\u{2068}', '\u{2069}', '\u{2028}', '\u{2029}', '\u{1b}', '\u{7f}', '\u{85}',
];

#[orchestrator]
async fn one() -> u32 {
    1
}

#[orchestrator]
async fn calls(id: String) -> Result<u32, Failure> {
    one().id(id).checked().await
}

#[derive(Default, Serialize, Deserialize)]
struct Counter(u32);

#[entity]
impl Counter {
    fn add(&mut self) -> u32 {
        self.0 += 1;
        self.0
    }
}

fn assert_refused(text: &str, hidden: char) {
    assert!(text.contains(&format!("\\u{{{:x}}}", u32::from(hidden))) && !text.contains(hidden), "{hidden:?}: {text:?}");
}

#[tokio::test]
async fn ids_with_hidden_characters_are_refused_and_shown_escaped() -> dacapo::Result<()> {
    let runtime = Runtime::open("memory:").await?;
    for hidden in HIDDEN {
        let id = format!("pay-{hidden}txt");
        let refused = runtime.start(one()).id(&id).await.expect_err("an id");
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        assert_refused(&refused.to_string(), hidden);
        let refused = runtime.start_named("one", ()).id(&id).await.expect_err("an id by name");
        assert_refused(&refused.to_string(), hidden);
        let refused = runtime.start(calls(id.clone())).await?.result().await.expect_err("the id of a child");
        assert_refused(&refused.to_string(), hidden);
        let refused = runtime.call(Counter::at(&id).add()).await.expect_err("the key of an entity");
        assert_refused(&refused.to_string(), hidden);
        let daily = Timetable::every(Duration::from_secs(86_400));
        let refused = runtime.schedule(&id).create(daily, one()).await.expect_err("the name of a schedule");
        assert_refused(&refused.to_string(), hidden);
    }
    assert!(runtime.query().await?.instances().iter().all(|run| run.name() == "calls"));
    // Letters that are written from right to left are letters like others.
    assert_eq!(runtime.start(one()).id("דוח-تقرير").await?.result().await?, 1);
    Ok(())
}
