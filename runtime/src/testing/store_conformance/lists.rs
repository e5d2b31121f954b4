//! Queries, counts, and what a purge takes with it.

use std::collections::BTreeMap;

use super::given::{append, apply, create, created, end, ended, find, inbox, load, messages, new, post, raised, refusal};
use crate::kernel::error::ErrorKind;
use crate::store::{After, Batch, InstanceKey, Lookup, Messages, NewInstance, Parent, Query, State, Status, Store, Timestamp};

/// Six orchestrations and an entity, created in this order.
async fn listed(store: &dyn Store) -> BTreeMap<&'static str, InstanceKey> {
    let mut keys = BTreeMap::new();
    for (n, id) in ["b-2", "a-1", "b-1", "c", "a-2", "called", "@counter@a"].into_iter().enumerate() {
        let new = NewInstance {
            name: if id.starts_with('a') { "other" } else { "orders" }.into(),
            created_at: Timestamp(n as i64 * 10),
            tags: [("tenant", "acme"), ("nth", if n < 2 { "low" } else { "high" })]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            parent: (id == "called").then(|| Parent { instance: "c".into(), id: 1 }),
            state: State { status: if id == "c" { Status::Running } else { Status::Pending }, ..State::pending() },
            ..new(id)
        };
        let created = apply(store, Batch { create: Some(new), ..Batch::default() }).await.created;
        keys.insert(id, created.expect("the answer tells the key"));
    }
    keys
}

pub(super) async fn a_query_lists_in_its_order_page_by_page(store: &dyn Store) {
    let keys = listed(store).await;
    let all = Query { limit: 99, ..Query::default() };
    let of = async |query: Query| {
        let found = store.query(query).await.expect("it is readable");
        found.into_iter().map(|instance| instance.id).collect::<Vec<_>>()
    };
    assert_eq!(of(all.clone()).await, ["called", "a-2", "c", "b-1", "a-1", "b-2"], "the newest first, without entities");
    let after = |id: &str| Some(After { key: keys[id], id: id.to_owned() });
    assert_eq!(of(Query { limit: 2, ..all.clone() }).await, ["called", "a-2"]);
    assert_eq!(of(Query { limit: 2, after: after("a-2"), ..all.clone() }).await, ["c", "b-1"]);
    assert_eq!(of(Query { after: after("b-2"), ..all.clone() }).await, [""; 0]);
    let prefixed = Query { id_prefix: Some("b-".into()), ..all.clone() };
    assert_eq!(of(prefixed.clone()).await, ["b-1", "b-2"], "by id");
    assert_eq!(of(Query { after: after("b-1"), ..prefixed }).await, ["b-2"]);
    assert_eq!(of(Query { id_prefix: Some("@".into()), ..all.clone() }).await, ["@counter@a"]);
    assert_eq!(of(Query { statuses: vec![Status::Running, Status::Failed], ..all.clone() }).await, ["c"]);
    assert_eq!(of(Query { name: Some("other".into()), ..all.clone() }).await, ["a-2", "a-1"]);
    let (created_from, created_to) = (Some(Timestamp(10)), Some(Timestamp(30)));
    assert_eq!(of(Query { created_from, created_to, ..all.clone() }).await, ["b-1", "a-1"], "the end is not in it");
    let tags = [("tenant", "acme"), ("nth", "low")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(of(Query { tags: tags.into(), ..all.clone() }).await, ["a-1", "b-2"], "all of the tags");
    assert_eq!(of(Query { parent: Some("c".into()), ..all }).await, ["called"]);
}

pub(super) async fn counts_are_of_orchestrations_by_status(store: &dyn Store) {
    assert_eq!(store.counts().await.expect("it is readable"), BTreeMap::new());
    listed(store).await;
    let counts = store.counts().await.expect("it is readable");
    assert_eq!(counts, BTreeMap::from([(Status::Pending, 5), (Status::Running, 1)]), "without the entity");
}

fn purge(keys: impl Into<Vec<InstanceKey>>) -> Batch {
    Batch { purge: keys.into(), ..Batch::default() }
}

pub(super) async fn a_purge_leaves_nothing_and_touches_nothing_unfinished(store: &dyn Store) {
    let (gone, lives) = (ended(store, "gone", Status::Completed).await, created(store, "lives").await);
    apply(store, post(gone, "late")).await;
    let both = Batch { purge: vec![gone, lives], ..post(lives, "lost") };
    assert_eq!(refusal(store, both).await, ErrorKind::Unfinished);
    assert_eq!(inbox(store).await.len(), 1, "a refused purge writes nothing");
    let again = apply(store, Batch { purge: vec![gone], ..create("gone") }).await.created;
    let key = again.expect("the id is free when the old one is gone");
    assert_eq!(apply(store, purge([gone, gone])).await.purged, 0, "nothing is left of it");
    let third = ended(store, "third", Status::Completed).await;
    assert_eq!(apply(store, purge([third, third, gone])).await.purged, 1);
    let stored = load(store, "gone").await;
    assert_eq!((stored.instance.key, stored.history.len()), (key, 1));
    assert_eq!(inbox(store).await, []);
    let taken = Batch { purge: vec![ended(store, "other", Status::Failed).await], ..create("lives") };
    assert_eq!(refusal(store, taken).await, ErrorKind::AlreadyExists);
    assert!(find(store, "other").await.is_some(), "a refused batch purges nothing");
}

pub(super) async fn an_entity_is_purged_unless_a_message_waits_for_it(store: &dyn Store) {
    let key = created(store, "@counter@a").await;
    apply(store, Batch { tell: vec![("@counter@a".into(), raised("call"))], ..Batch::default() }).await;
    assert_eq!(refusal(store, purge([key])).await, ErrorKind::Unfinished);
    let waiting = messages(store, Messages::Of(key)).await;
    let consume = waiting.iter().map(|message| message.number).collect();
    apply(store, Batch { consume, ..Batch::default() }).await;
    apply(store, purge([key])).await;
    assert_eq!(find(store, "@counter@a").await, None);
}

pub(super) async fn a_family_is_purged_only_when_all_of_it_has_ended(store: &dyn Store) {
    let boss = created(store, "boss").await;
    let child = |id: &str| NewInstance { parent: Some(Parent { instance: "boss".into(), id: 1 }), ..new(id) };
    let keys = apply(store, Batch { children: vec![child("a"), child("b")], ..append(boss, 2) }).await.children;
    let (a, b) = (keys[0].expect("it is new"), keys[1].expect("it is new"));
    let oldest = async |limit| store.ended(Status::Completed, limit).await.expect("it is readable");
    apply(store, end(a, 2, Status::Completed)).await;
    assert_eq!(refusal(store, purge([a])).await, ErrorKind::Unfinished, "its caller runs");
    apply(store, end(boss, 3, Status::Completed)).await;
    assert_eq!(refusal(store, purge([boss])).await, ErrorKind::Unfinished, "one it called runs");
    assert_eq!(oldest(9).await, [(boss, Timestamp(30))], "a child waits for its caller");
    apply(store, end(b, 2, Status::Completed)).await;
    apply(store, purge([boss])).await;
    let orphan = store.find(Lookup::Key(a)).await.expect("it is readable").expect("it stays");
    assert_eq!(orphan.parent, None);
    let first = oldest(1).await;
    assert_eq!((first.len(), first[0].1), (1, Timestamp(20)), "no more than asked for");
}
