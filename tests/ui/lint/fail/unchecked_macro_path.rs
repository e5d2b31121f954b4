//! A refused path inside a macro that cannot be opened.

macro_rules! show {
    ($name:ident at $value:expr) => {
        format!("{} {:?}", $name, $value)
    };
}

#[dacapo::orchestrator]
async fn stamp(name: String) -> String {
    show!(name at std::time::SystemTime::now())
}

fn main() {}
