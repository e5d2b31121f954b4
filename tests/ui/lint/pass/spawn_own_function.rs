//! A function of one's own called `spawn`, and a method called `spawn`.

struct Salmon(u64);

impl Salmon {
    fn spawn(&self) -> u64 {
        self.0 * 1000
    }
}

fn spawn(salmon: &Salmon) -> u64 {
    salmon.spawn()
}

#[dacapo::orchestrator]
async fn season(pairs: u64) -> u64 {
    let salmon = Salmon(pairs);
    spawn(&salmon) + salmon.spawn()
}

fn main() {}
