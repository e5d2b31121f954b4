//! The deadline comes from the clock of the machine, two helpers away.

use std::time::{Duration, SystemTime};

use dacapo::{Event, activity, orchestrator};

const APPROVAL: Event<bool> = Event::new("approval");

#[activity]
async fn send_mail(to: String, text: String) -> dacapo::Result<()> {
    println!("{to}: {text}");
    Ok(())
}

fn in_days(days: u64) -> SystemTime {
    SystemTime::now() + Duration::from_secs(days * 86_400)
}

fn deadline(cents: u64) -> SystemTime {
    match cents {
        0..100_000 => in_days(3),
        _ => in_days(10),
    }
}

#[orchestrator]
async fn approve(boss: String, cents: u64) -> dacapo::Result<bool> {
    send_mail(boss.clone(), format!("please approve {cents} cents")).await?;
    let until = deadline(cents);
    let approved = dacapo::select! {
        answer = APPROVAL.wait() => answer,
        _ = dacapo::sleep_until(until) => false,
    };
    if !approved {
        send_mail(boss, "too late".to_owned()).await?;
    }
    Ok(approved)
}

fn main() {}
