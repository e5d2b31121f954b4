//! A trait of the same file reads the clock in a method that its types inherit.

use std::time::SystemTime;

trait Stamp {
    fn stamp(&self) -> SystemTime {
        SystemTime::now()
    }
}

struct Order;

impl Stamp for Order {}

trait Age {
    fn born(&self) -> SystemTime {
        std::time::SystemTime::now()
    }
}

impl<T> Age for T {}

#[dacapo::orchestrator]
async fn stamps(count: u64) -> bool {
    let order = Order;
    let (first, second) = (order.stamp(), Order::stamp(&order));
    first < second && count.born() < second
}

fn main() {}
