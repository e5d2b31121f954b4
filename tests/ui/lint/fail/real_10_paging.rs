//! A line of the log shows the time of the machine.

use std::time::SystemTime;

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Page {
    mails: Vec<String>,
    next: Option<String>,
}

#[activity]
async fn fetch_page(token: Option<String>) -> dacapo::Result<Page> {
    Ok(Page { mails: vec![], next: token })
}

#[activity]
async fn store(mails: Vec<String>) -> dacapo::Result<usize> {
    Ok(mails.len())
}

#[orchestrator]
async fn sync_contacts(limit: usize) -> dacapo::Result<usize> {
    let mut token = None;
    let mut mails = Vec::new();
    loop {
        let page = fetch_page(token.clone()).await?;
        mails.extend(page.mails);
        println!("{} mails at {:?}", mails.len(), SystemTime::now());
        if mails.len() >= limit || page.next.is_none() {
            break;
        }
        token = page.next;
    }
    store(mails).await
}

fn main() {}
