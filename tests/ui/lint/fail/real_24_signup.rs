//! The code of a sign-up is drawn from the thread's generator, under another name.

use std::time::Duration;

use dacapo::{Event, activity, orchestrator};
use rand::{RngExt as _, rng as dice};

const CODE: Event<String> = Event::new("code");

#[activity]
async fn send_code(mail: String, code: String) -> dacapo::Result<()> {
    println!("{mail}: {code}");
    Ok(())
}

#[activity]
async fn create_user(mail: String) -> dacapo::Result<String> {
    Ok(mail)
}

#[orchestrator]
async fn sign_up(mail: String) -> dacapo::Result<Option<String>> {
    let code = format!("{:06}", dice().random_range(0..1_000_000));
    send_code(mail.clone(), code.clone()).await?;
    for _ in 0..3 {
        match dacapo::timeout(Duration::from_secs(600), CODE.wait()).await {
            Ok(entered) if entered == code => return create_user(mail).await.map(Some),
            Ok(_) => continue,
            Err(_) => break,
        }
    }
    Ok(None)
}

fn main() {}
