//! What values may be: those that would not come back as they were, or nest too deeply, are refused at every door by name and place.

#[path = "../both/mod.rs"]
mod both;
mod corpus;
mod doors;
mod lengths;
mod over_http;
mod states;
mod stored;
mod table;

use dacapo::{Failure, activity, entity, orchestrator};
use serde::{Deserialize, Serialize};

/// A linked list: each node is one level of `{`.
#[derive(Default, Clone, Serialize, Deserialize)]
pub(crate) struct Node {
    next: Option<Box<Self>>,
}

/// A type that can hold each kind of value that is refused.
#[derive(Default, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    list: Option<Box<Node>>,
    items: Vec<Item>,
    note: Option<Option<String>>,
    done: Option<()>,
}

#[derive(Default, Clone, Serialize, Deserialize)]
pub(crate) struct Item {
    price: f64,
    weight: Option<f32>,
}

/// Each kind, and what its error must say.
pub(crate) const KINDS: [(&str, &[&str]); 6] = [
    ("deep", &["100 levels"]),
    ("nan", &["NaN", "items[3].price"]),
    ("infinity", &["infinity", "items[3].price"]),
    ("-infinity", &["-infinity", "items[0].weight"]),
    ("some none", &["Some(None)", "note"]),
    ("some unit", &["Some(())", "done"]),
];

pub(crate) fn order(kind: &str) -> Order {
    let mut order = Order { items: vec![Item::default(); 4], ..Order::default() };
    match kind {
        "deep" => order.list = Some(Box::new(list(4_500))),
        "deepest allowed" => order.list = Some(Box::new(list(99))),
        "one too deep" => order.list = Some(Box::new(list(100))),
        "nan" => order.items[3].price = f64::NAN,
        "infinity" => order.items[3].price = f64::INFINITY,
        "-infinity" => order.items[0].weight = Some(f32::NEG_INFINITY),
        "some none" => order.note = Some(None),
        "some unit" => order.done = Some(()),
        _ => {}
    }
    order
}

fn list(nodes: usize) -> Node {
    (1..nodes).fold(Node::default(), |next, _| Node { next: Some(Box::new(next)) })
}

/// JSON text of so many levels.
pub(crate) fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Failed {
    Order(Box<Order>),
    Engine(Failure),
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Order(_) => f.write_str("the order failed"),
            Self::Engine(failure) => write!(f, "{failure}: {:?}", failure.causes()),
        }
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self::Engine(failure)
    }
}

#[activity]
pub(crate) async fn gives(kind: String) -> Order {
    order(&kind)
}

#[activity]
async fn takes(order: Order) -> usize {
    order.items.len()
}

#[activity]
async fn takes_two(_n: u8, order: Order) -> usize {
    order.items.len()
}

#[activity]
async fn fails(kind: String) -> Result<u8, Failed> {
    Err(Failed::Order(Box::new(order(&kind))))
}

#[activity]
async fn beats(kind: String) {
    dacapo::activity::heartbeat(&order(&kind));
}

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Shelf {
    order: Order,
}

#[entity]
impl Shelf {
    pub(crate) fn put(&mut self, order: Order) {
        self.order = order;
    }

    pub(crate) fn make(&mut self, kind: String) {
        self.order = order(&kind);
    }

    pub(crate) fn give(&mut self, kind: String) -> Order {
        order(&kind)
    }
}

#[orchestrator]
pub(crate) async fn returns(kind: String) -> Order {
    order(&kind)
}

#[orchestrator]
pub(crate) async fn accepts(order: Order) -> usize {
    order.items.len()
}

/// Sends an order of some kind through one of the doors that a run has.
#[orchestrator]
pub(crate) async fn through(door: String, kind: String) -> Result<(), Failure> {
    match door.as_str() {
        "activity input" => takes(order(&kind)).checked().await.map(drop),
        "second activity input" => takes_two(1, order(&kind)).checked().await.map(drop),
        "activity result" => gives(kind).checked().await.map(drop),
        "heartbeat" => beats(kind).checked().await,
        "child input" => accepts(order(&kind)).checked().await.map(drop),
        "child result" => returns(kind).checked().await.map(drop),
        "entity input" => Shelf::at("inside").put(order(&kind)).checked().await,
        "entity result" => Shelf::at("inside").give(kind).checked().await.map(drop),
        "entity state" => Shelf::at("inside").make(kind).checked().await,
        "entity signal" => {
            Shelf::at("inside").put(order(&kind)).signal();
            Ok(())
        }
        "side effect" => {
            dacapo::side_effect(|| order(&kind));
            Ok(())
        }
        "custom status" => {
            dacapo::set_custom_status(&order(&kind));
            Ok(())
        }
        "continue as new" => {
            let _: usize = dacapo::continue_as_new(accepts(order(&kind))).await;
            Ok(())
        }
        _ => Err(Failure::new(dacapo::FailureKind::Application, "no such door")),
    }
}

pub(crate) const RUN_DOORS: [&str; 13] = [
    "activity input",
    "second activity input",
    "activity result",
    "heartbeat",
    "child input",
    "child result",
    "entity input",
    "entity result",
    "entity state",
    "entity signal",
    "side effect",
    "custom status",
    "continue as new",
];

/// The failure of an activity whose error holds an order.
#[orchestrator]
pub(crate) async fn failing(kind: String) -> Result<u8, Failed> {
    fails(kind).await
}
