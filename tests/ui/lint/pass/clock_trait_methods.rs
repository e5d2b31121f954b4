//! Methods of a trait whose default reads the clock, on types that have their own or are of another trait.

use std::time::SystemTime;

trait Stamp {
    fn stamp(&self) -> SystemTime {
        SystemTime::now()
    }
}

struct Order(SystemTime);

impl Stamp for Order {
    fn stamp(&self) -> SystemTime {
        self.0
    }
}

struct Clock;

impl Stamp for Clock {}

struct Letter;

trait Post {
    fn stamp(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

impl Post for Letter {}

#[dacapo::orchestrator]
async fn stamps(at: SystemTime) -> bool {
    Order(at).stamp() < Letter.stamp() && Order::stamp(&Order(at)) < Post::stamp(&Letter)
}

fn main() {}
