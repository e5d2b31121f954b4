//! Reads a paged API to its end: each page names the next.

use dacapo::{activity, orchestrator};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Contact {
    mail: String,
    active: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Page {
    contacts: Vec<Contact>,
    next: Option<String>,
}

#[activity]
async fn fetch_page(token: Option<String>) -> dacapo::Result<Page> {
    Ok(Page { contacts: vec![], next: token })
}

#[activity]
async fn store(mails: Vec<String>) -> dacapo::Result<usize> {
    Ok(mails.len())
}

#[orchestrator]
pub async fn sync_contacts(limit: usize) -> dacapo::Result<usize> {
    let mut token = None;
    let mut mails = Vec::new();
    loop {
        let page = fetch_page(token.clone()).await?;
        mails.extend(page.contacts.into_iter().filter(|contact| contact.active).map(|contact| contact.mail));
        if mails.len() >= limit {
            mails.truncate(limit);
            break;
        }
        match page.next {
            Some(next) => token = Some(next),
            None => break,
        }
    }
    mails.sort();
    mails.dedup();
    store(mails).await
}

fn main() {}
