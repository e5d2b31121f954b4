//! A helper of the file waits on the thread before a payment is tried again.

use std::time::Duration;

use dacapo::{Event, activity, orchestrator};

const CANCEL: Event<()> = Event::new("cancel");

#[activity]
async fn charge(customer: String, cents: u64) -> Result<String, String> {
    if cents == 0 { Err("no amount".into()) } else { Ok(customer) }
}

struct Backoff {
    seconds: u64,
}

impl Backoff {
    fn pause(&mut self) {
        std::thread::sleep(Duration::from_secs(self.seconds));
        self.seconds *= 2;
    }
}

#[orchestrator]
async fn subscription(customer: String, cents: u64) -> Result<u32, String> {
    let mut periods = 0;
    loop {
        let mut backoff = Backoff { seconds: 5 };
        for attempt in 0.. {
            match charge(customer.clone(), cents).await {
                Ok(_receipt) => break,
                Err(why) if attempt == 3 => return Err(why),
                Err(_) => backoff.pause(),
            }
        }
        periods += 1;
        if dacapo::timeout(Duration::from_secs(30 * 86_400), CANCEL.wait()).await.is_ok() {
            return Ok(periods);
        }
    }
}

fn main() {}
