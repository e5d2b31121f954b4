//! Which methods are followed, and which are not.

use crate::fixture::Workspace;

/// `rates.rs` declares types; the orchestrator's body is `body`, from line 3 on.
fn found(rates: &str, body: &str) -> Vec<String> {
    let text = format!("mod rates; use rates::*;\n#[orchestrator] async fn run(rates: Rates) {{\n{body}\n}}");
    Workspace::of(&text).file("shop/src/rates.rs", rates).found()
}

const RATES: &str = "
pub struct Rates { pub table: Table }
impl Rates {
    pub fn new() -> Self { todo!() }
    pub fn get(&self, name: &str) -> u64 { self.inner() }
    fn inner(&self) -> u64 { rand::random() }
    pub fn table(&self) -> &Table { &self.table }
}
pub struct Table;
impl Table { pub fn get(&self) -> u64 { rand::random() } pub fn pure(&self) -> u64 { 1 } }
";

#[test]
fn the_type_of_the_receiver_leads_to_the_method() {
    let expected = ["random shop/src/lib.rs:3 via Rates::get → Rates::inner → rand::random"];
    for body in [
        "rates.get(\"a\");",
        "let r = Rates::new(); r.get(\"a\");",
        "let r: &Rates = todo!(); r.get(\"a\");",
        "let r = &rates; r.get(\"a\");",
        "Rates::get(&rates, \"a\");",
        "let f = |name| rates.get(name); f(\"a\");",
        "let all = vec![rates.get(\"a\")];",
    ] {
        assert_eq!(found(RATES, body), expected, "{body}");
    }
    let expected = ["random shop/src/lib.rs:3 via Table::get → rand::random"];
    for body in ["rates.table.get();", "rates.table().get();", "let Rates { table } = rates; Table::get(&table);"] {
        assert_eq!(found(RATES, body), expected, "{body}");
    }
}

#[test]
fn a_common_name_says_nothing_about_the_type() {
    for body in ["rates.table.pure();", "let map = load(); map.get(\"a\"); std::iter::once(1).map(|n| n.get());"] {
        assert_eq!(found(RATES, body), [] as [&str; 0], "{body}");
    }
}

#[test]
fn a_name_that_one_type_has_is_followed() {
    let one = "pub struct Rates; pub struct Table; impl Table { pub fn draw_rate(&self, n: u8) -> u64 { rand::random() } }";
    let expected = ["random shop/src/lib.rs:3 via Table::draw_rate → rand::random"];
    assert_eq!(found(one, "let table = load(); table.draw_rate(1);"), expected);
    // Another number of arguments, another method.
    assert_eq!(found(one, "let table = load(); table.draw_rate();"), [] as [&str; 0]);
    // The type is known, and has no such method.
    assert_eq!(found(one, "rates.draw_rate(1);"), [] as [&str; 0]);
    let two = format!("{one} pub struct Other; impl Other {{ pub fn draw_rate(&self, n: u8) -> u64 {{ 1 }} }}");
    assert_eq!(found(&two, "let table = load(); table.draw_rate(1);"), [] as [&str; 0]);
}

#[test]
fn traits_are_followed_where_one_body_can_be_meant() {
    let default = "pub struct Rates; pub trait Priced { fn priced(&self) -> u64 { rand::random() } } impl Priced for Rates {}";
    let expected = ["random shop/src/lib.rs:3 via Priced::priced → rand::random"];
    assert_eq!(found(default, "rates.priced();"), expected);
    assert_eq!(found(default, "fn all(list: &[&dyn Priced]) { for one in list { one.priced(); } } all(&[]);").len(), 1);
    assert_eq!(found(default, "fn each<P: Priced>(p: P) { p.priced(); } each(rates);").len(), 1);
    let blanket = "pub struct Rates; pub trait Priced { fn priced(&self) -> u64; } impl<T> Priced for T { fn priced(&self) -> u64 { rand::random() } }";
    assert_eq!(found(blanket, "rates.priced();").len(), 1);
    let own = "pub struct Rates; pub trait Priced { fn priced(&self) -> u64 { rand::random() } } impl Priced for Rates { fn priced(&self) -> u64 { 1 } }";
    assert_eq!(found(own, "rates.priced();"), [] as [&str; 0]);
}

#[test]
fn the_calls_of_dacapo_are_no_methods_of_the_workspace() {
    let rates = "pub struct Rates; pub struct Line; impl Line {
        pub fn retry(self, n: u8) -> Self { rand::random::<u8>(); self }
        pub fn timeout(self, n: u8) -> Self { rand::random::<u8>(); self } }
        #[activity] pub async fn charge(n: u8) -> Rates { todo!() }
        #[activity] pub async fn refund(n: u8) { todo!() }";
    assert_eq!(found(rates, "charge(1).retry(2).timeout(3).await; refund(1).retry(2).await;"), [] as [&str; 0]);
}
