//! Two processes with one store: a worker and a client, or two workers.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::channel::mpsc;

use super::given::{append, apply, created, inbox, load, post, refusal};
use crate::kernel::error::ErrorKind;
use crate::store::{Batch, ProcessKind, Store};

/// Hears of every change.
fn bell(store: &dyn Store, kind: ProcessKind) -> mpsc::UnboundedReceiver<()> {
    let (sender, heard) = mpsc::unbounded();
    store.listen(kind, Arc::new(move || drop(sender.unbounded_send(())))).expect("it can be listened to");
    heard
}

pub(super) async fn a_worker_hears_of_a_client_and_a_client_of_the_worker(worker: &dyn Store, client: &dyn Store) {
    let epoch = worker.claim(false, Vec::new()).await.expect("nobody holds it");
    let (mut asked, mut told) = (bell(worker, ProcessKind::Worker), bell(client, ProcessKind::Client));
    let key = created(client, "asked").await;
    // A bell may ring more often than something changes. Where it never rings, this waits too long.
    for round in 2..5 {
        apply(client, post(key, "go")).await;
        let waits = usize::try_from(round).expect("a small number") - 1;
        while asked.next().await.is_some() && inbox(worker).await.len() < waits {}
    }
    for round in 2..5 {
        apply(worker, Batch { epoch: Some(epoch), ..append(key, round) }).await;
        while told.next().await.is_some() && load(client, "asked").await.history.len() < round as usize {}
    }
}

pub(super) async fn one_worker_at_a_time_has_a_store(store: &dyn Store, other: &dyn Store) {
    let first = store.claim(false, Vec::new()).await.expect("nobody holds it");
    let key = created(store, "one").await;
    match other.claim(false, Vec::new()).await {
        Ok(second) => {
            assert!(second > first, "a later claim has a greater epoch");
            apply(other, Batch { epoch: Some(second), ..append(key, 2) }).await;
            assert_eq!(refusal(store, Batch { epoch: Some(first), ..append(key, 3) }).await, ErrorKind::Fenced);
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
            apply(store, Batch { epoch: Some(first), ..append(key, 2) }).await;
        }
    }
}
