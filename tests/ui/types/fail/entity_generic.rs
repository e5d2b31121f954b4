use dacapo::entity;

struct Box<T>(T);

#[entity]
impl<T> Box<T> {
    fn touch(&mut self) {}
}

fn main() {}
