//! Versions of one name, and predicates as functions, methods and closures.

use dacapo::{Error, Retry, activity, orchestrator};

const NEXT: u32 = 2;

#[orchestrator(name = "checkout")]
async fn checkout_1() {}

#[orchestrator(name = "checkout", version = NEXT)]
async fn checkout_2() {}

fn is_transient(error: &Error) -> bool {
    error.causes().is_empty()
}

#[activity(retry = Retry::none(), retry_if = is_transient)]
async fn by_function() -> dacapo::Result<u32> {
    Ok(1)
}

#[activity(retry_if = |error| error.causes().is_empty())]
async fn by_closure() -> Result<u32, Error> {
    Ok(1)
}

#[orchestrator]
async fn calls() -> dacapo::Result<u32> {
    let limit = 2;
    let a = by_function().retry_if(move |error| error.causes().len() < limit).await?;
    Ok(a + by_closure().await?)
}

fn main() {
    drop((checkout_1(), checkout_2(), calls()));
}
