//! Sign-up: a code by mail, at most three tries to enter it, an hour in all.

use std::time::Duration;

use dacapo::{Event, activity, orchestrator};
use rand::RngExt as _;

const CODE: Event<String> = Event::new("code");

#[activity]
async fn send_code(mail: String, code: String) -> dacapo::Result<()> {
    println!("{mail}: {code}");
    Ok(())
}

#[activity]
async fn create_user(id: String, mail: String) -> dacapo::Result<String> {
    Ok(format!("{id} {mail}"))
}

fn six_digits(number: u32) -> String {
    format!("{number:06}")
}

#[orchestrator]
pub async fn sign_up(mail: String) -> dacapo::Result<Option<String>> {
    let code = six_digits(dacapo::rng().random_range(0..1_000_000));
    let user = dacapo::new_uuid().to_string();
    send_code(mail.clone(), code.clone()).await?;
    let deadline = dacapo::now() + Duration::from_secs(3600);
    for _ in 0..3 {
        let left = deadline.duration_since(dacapo::now()).unwrap_or_default();
        let Ok(entered) = dacapo::timeout(left, CODE.wait()).await else {
            return Ok(None);
        };
        if entered.trim() == code {
            return create_user(user, mail).await.map(Some);
        }
    }
    Ok(None)
}

fn main() {}
