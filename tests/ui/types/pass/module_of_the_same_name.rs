//! A function in a module of its own name, imported from there.

mod greet {
    #[dacapo::activity]
    pub async fn greet(name: String) -> String {
        name
    }
}

mod welcome {
    use super::greet::greet;

    #[dacapo::orchestrator]
    pub(super) async fn welcome(name: String) -> String {
        greet(name).await
    }
}

use greet::greet;
use welcome::welcome;

fn main() {
    let _ = (greet("Ada".into()), welcome("Ada".into()));
}
