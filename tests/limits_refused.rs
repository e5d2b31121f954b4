//! Limits that never let an activity run are refused when the runtime opens. In a file of its own: every runtime of this binary is.

use dacapo::{ErrorKind, PerHour, Runtime, activity};

fn none() -> u32 {
    0
}

#[activity(rate_limit = PerHour(none()))]
async fn never() {}

#[tokio::test]
async fn a_rate_that_turns_out_to_be_zero_is_refused_with_its_place() {
    let _named_by_nobody = never;
    let Err(error) = Runtime::open("memory:").await else { panic!("it opened") };
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let text = error.to_string();
    assert!(
        text.contains("the activity `never` at tests/limits_refused.rs:10 can never run: its `rate_limit` is PerHour(0)"),
        "{text}"
    );
    assert!(text.contains("write 1 or more, or remove it"), "{text}");
}
