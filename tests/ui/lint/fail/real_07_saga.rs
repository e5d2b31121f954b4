//! Between the steps of an undo the thread sleeps, and with it every orchestration it drives.

use std::thread;
use std::time::Duration;

use dacapo::{activity, orchestrator};

#[activity]
async fn book(leg: String) -> dacapo::Result<String> {
    Ok(format!("booking of {leg}"))
}

#[activity]
async fn cancel(booking: String) -> dacapo::Result<()> {
    drop(booking);
    Ok(())
}

#[orchestrator]
async fn book_trip(legs: Vec<String>) -> dacapo::Result<Vec<String>> {
    let mut done = Vec::new();
    for leg in legs {
        match book(leg).await {
            Ok(booking) => done.push(booking),
            Err(error) => {
                #[sequential]
                for booking in done.into_iter().rev() {
                    let mut tries = 0;
                    while let Err(error) = cancel(booking.clone()).await {
                        tries += 1;
                        if tries == 5 {
                            return Err(error);
                        }
                        thread::sleep(Duration::from_secs(1 << tries));
                    }
                }
                return Err(error);
            }
        }
    }
    Ok(done)
}

fn main() {}
