//! The good example of every rule, one module each. Written from the table of rules.
#![allow(unused)]

mod clock {
    use dacapo::{activity, orchestrator};

    #[orchestrator]
    async fn stamp(name: String) -> dacapo::Result<String> {
        let at = dacapo::now();
        Ok(format!("{name} at {at:?}"))
    }
}

mod identity {
    use dacapo::{activity, orchestrator};

    #[orchestrator]
    async fn label(name: String) -> dacapo::Result<String> {
        Ok(format!("{name}-{}", dacapo::new_uuid()))
    }
}

mod random {
    use dacapo::{activity, orchestrator};

    use rand::RngExt as _;

    #[orchestrator]
    async fn pick(names: Vec<String>) -> dacapo::Result<Option<String>> {
        let index = dacapo::rng().random_range(0..names.len().max(1));
        Ok(names.get(index).cloned())
    }
}

mod sleep {
    use dacapo::{activity, orchestrator};

    use std::time::Duration;

    #[orchestrator]
    async fn remind(name: String) -> dacapo::Result<String> {
        dacapo::sleep(Duration::from_secs(60)).await;
        Ok(name)
    }
}

mod spawn {
    use dacapo::{activity, orchestrator};

    #[activity]
    async fn greet(name: String) -> dacapo::Result<String> {
        Ok(name)
    }

    #[orchestrator]
    async fn welcome(name: String) -> dacapo::Result<()> {
        greet(name).await?;
        Ok(())
    }
}

mod race {
    use dacapo::{activity, orchestrator};

    #[activity]
    async fn price(shop: String) -> u64 {
        shop.len() as u64
    }

    #[orchestrator]
    async fn both(first: String, second: String) -> u64 {
        let (a, b) = dacapo::join!(price(first), price(second));
        a + b
    }
}

mod io {
    use dacapo::{activity, orchestrator};

    #[activity]
    async fn read(path: String) -> dacapo::Result<String> {
        Ok(std::fs::read_to_string(path)?)
    }

    #[orchestrator]
    async fn load(path: String) -> dacapo::Result<String> {
        read(path).await
    }
}

mod environment {
    use dacapo::{activity, orchestrator};

    #[orchestrator]
    async fn region(name: String, region: String) -> dacapo::Result<String> {
        Ok(format!("{name} in {region}"))
    }
}

mod hash_order {
    use dacapo::{activity, orchestrator};

    use std::collections::BTreeMap;

    #[orchestrator]
    async fn names(ages: BTreeMap<String, u32>) -> dacapo::Result<Vec<String>> {
        let mut names = Vec::new();
        for (name, _) in ages {
            names.push(name);
        }
        Ok(names)
    }
}

mod shared_state {
    use dacapo::{activity, orchestrator};

    #[orchestrator]
    async fn count(name: String, run: u64) -> dacapo::Result<String> {
        Ok(format!("{name} {run}"))
    }
}

mod address {
    use dacapo::{activity, orchestrator};

    #[orchestrator]
    async fn show(name: String) -> dacapo::Result<String> {
        Ok(format!("{name}"))
    }
}

mod unchecked_macro {
    use dacapo::{activity, orchestrator};

    #[activity]
    async fn price(shop: String) -> dacapo::Result<u64> {
        Ok(shop.len() as u64)
    }

    macro_rules! double {
        ($value:expr) => { $value * 2 };
    }

    #[orchestrator]
    async fn twice(shop: String) -> dacapo::Result<u64> {
        let price = price(shop).await?;
        Ok(double!(price))
    }
}

mod await_in_loop {
    use dacapo::{activity, orchestrator};

    use futures::future::try_join_all;

    #[activity]
    async fn process(item: String) -> dacapo::Result<u64> {
        Ok(item.len() as u64)
    }

    #[orchestrator]
    async fn batch(items: Vec<String>) -> dacapo::Result<Vec<u64>> {
        let results = try_join_all(items.into_iter().map(process)).await?;
        Ok(results)
    }
}

mod await_one_by_one {
    use dacapo::{activity, orchestrator};

    #[activity]
    async fn price(shop: String) -> dacapo::Result<u64> {
        Ok(shop.len() as u64)
    }

    #[orchestrator]
    async fn both(first: String, second: String) -> dacapo::Result<u64> {
        let a = price(first).start();
        let b = price(second).start();
        let a = a.await?;
        let b = b.await?;
        Ok(a + b)
    }
}

mod unbounded_loop {
    use dacapo::{activity, orchestrator};

    use std::time::Duration;

    #[activity]
    async fn probe(host: String) -> bool {
        !host.is_empty()
    }

    #[orchestrator]
    async fn watch(host: String) -> dacapo::Result<()> {
        probe(host.clone()).await;
        dacapo::sleep(Duration::from_secs(60)).await;
        dacapo::continue_as_new(watch(host)).await
    }
}

mod unused_call {
    use dacapo::{activity, orchestrator};

    #[activity]
    async fn notify(name: String) -> dacapo::Result<()> {
        drop(name);
        Ok(())
    }

    #[orchestrator]
    async fn finish(name: String) -> dacapo::Result<()> {
        notify(name).await?;
        Ok(())
    }
}

mod signature {
    use dacapo::{activity, orchestrator};

    #[orchestrator]
    async fn greet(name: String) -> dacapo::Result<String> {
        Ok(name)
    }
}

fn main() {}
