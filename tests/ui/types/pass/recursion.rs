//! Inside the body the function's own name is the durable call.

use dacapo::{Activity, Orchestration, activity, orchestrator};

#[orchestrator]
async fn countdown(n: u32) -> u32 {
    if n == 0 {
        return 0;
    }
    let call: Orchestration<_> = countdown(n - 1);
    call.await + 1
}

#[activity]
async fn factorial(n: u64) -> u64 {
    if n == 0 {
        return 1;
    }
    let call: Activity<_> = factorial(n - 1);
    n * call.await
}

fn main() {
    let _ = (countdown(3), factorial(3));
}
