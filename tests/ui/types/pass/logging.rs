//! Logging takes whatever it takes elsewhere, and earns no warning for how it is silenced.
#![deny(warnings)]
#![deny(clippy::all)]

use dacapo::{activity, orchestrator};
use tracing::{debug, event, info, warn, Level};

#[activity]
async fn count(n: u32) -> u32 {
    n
}

/// Neither `Copy` nor `Clone`.
#[derive(Debug, Default)]
struct Order {
    lines: Vec<String>,
    width: usize,
}

impl Order {
    fn name(&self) -> &str {
        "order"
    }

    fn into_name(self) -> String {
        self.lines.into_iter().collect()
    }
}

macro_rules! level {
    () => {
        "level {}"
    };
}

#[orchestrator]
async fn logs(n: u32) -> dacapo::Result<u32> {
    let mut order = Order { lines: vec!["a".to_owned()], width: 4 };
    let boxed = Box::new([1_u8, 2]);
    println!();
    println!("{} {:>2$} {0}", order.name(), order.lines[0], order.width + 1);
    println!("{:>width$.*} {n:>0$}", order.lines.len(), 1.5 + f64::from(n), width = order.width);
    print!("{:?} {}\n", *boxed, -i64::from(n));
    eprint!("{:?}\n", if n > 1 { order.lines.first() } else { order.lines.last_mut().map(|line| &*line) });
    eprintln!("{} {}", count(n).await, count(n + 1).await);
    info!(target: "orders", name = order.name(), lines = order.lines.len(), first = ?&order.lines[0], "a {}", n + 1);
    warn!(name: "warned", ?order, order.width, %n, "b");
    debug!({ sum = n + 1 }, level!(), n + 2);
    event!(Level::INFO, sum = n as u64 + 1, empty = tracing::field::Empty, known = true);
    tracing::info!(parent: tracing::Span::current().id(), "c {range:?}", range = 1..n);
    tracing::error!("d {}", count(n).await);
    #[cfg(any())]
    println!("{}", missing());
    #[allow(clippy::print_literal)]
    println!("{}", "literal".to_string());
    let shown = |n: u32| println!("{}", n + 1);
    shown(n);
    match n {
        0 => println!("{}", order.name()),
        _ => tracing::info!("{}", order.name()),
    }
    println!("{:?}", order.lines.pop());
    println!("{}", order.into_name());
    println!("{}", std::cell::RefCell::new(n).borrow())
        ;
    Ok(n)
}

fn main() {}
