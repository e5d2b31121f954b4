//! A type of one's own called `HashMap`, which keeps its order.

#[derive(serde::Serialize, serde::Deserialize)]
struct HashMap(Vec<(String, u64)>);

impl HashMap {
    fn iter(&self) -> impl Iterator<Item = &(String, u64)> {
        self.0.iter()
    }
}

#[dacapo::orchestrator]
async fn names(map: HashMap) -> Vec<String> {
    map.iter().map(|(name, _)| name.clone()).collect()
}

fn main() {}
